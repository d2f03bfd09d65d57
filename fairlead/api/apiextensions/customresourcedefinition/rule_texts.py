"""Checks of the texts of rules in CEL, before they are compiled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fairlead.api.apiextensions.structural.fieldpath import FieldPathError, resolve
from fairlead.api.apiextensions.structural.node import RULES, Node
from fairlead.machinery.values.status import FieldError, invalid, not_supported, required

Tree = Mapping[str, Any]

_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_LINES = re.compile(r"[\n\r]")


def shape_errors(schema: Tree, path: str) -> Iterator[FieldError]:
    """Yields the errors of the texts of rules."""
    node: Node | None = None
    for at, rule in enumerate(schema.get(RULES) or ()):
        here = f"{path}.{RULES}[{at}]"
        yield from _text_errors(rule, here)
        if rule.get("reason") is not None and rule["reason"] not in _REASONS:
            yield not_supported(f"{here}.reason", rule["reason"], _REASONS)
        where = rule.get("fieldPath") or ""
        if where and not where.strip():
            yield invalid(f"{here}.fieldPath", where, "must be non-empty if specified")
        if _LINES.search(where):
            yield invalid(f"{here}.fieldPath", where, "must not contain line breaks")
        if where:
            node = node or Node(schema)
            try:
                resolve(where, node)
            except FieldPathError:
                yield invalid(f"{here}.fieldPath", where, "must be a valid path")


def _text_errors(rule: Tree, here: str) -> Iterator[FieldError]:
    text, message, expression = rule.get("rule") or "", rule.get("message") or "", rule.get("messageExpression") or ""
    if not text.strip():
        yield required(f"{here}.rule", "rule is not specified")
    elif message and not message.strip():
        yield invalid(f"{here}.message", message, "must be non-empty if specified")
    elif _LINES.search(message.strip()):
        yield invalid(f"{here}.message", message, "must not contain line breaks")
    elif _LINES.search(text.strip()) and not message.strip():
        yield required(f"{here}.message", "message must be specified if rule contains line breaks")
    if expression and not expression.strip():
        yield required(f"{here}.messageExpression", "messageExpression must be non-empty if specified")
