"""Applies the server's own rules to a document: decoding, defaults and checks of its kind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fairlead.base.texts import Text, text
from fairlead.lint.choices import meant_by, refused_value
from fairlead.lint.context import Context
from fairlead.lint.document import Path, Value
from fairlead.lint.problem import Fix, Span
from fairlead.lint.world import DEFAULT_NAMESPACE
from fairlead.machinery.kinds.checks import check
from fairlead.machinery.kinds.decode import decode_tree
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.kinds.metadata import check_metadata
from fairlead.machinery.values.status import FieldError, StatusError

_PART = re.compile(r"\.?(?P<name>[^.\[\]]+)|\[(?P<index>[^\]]*)\]")
_UID = "00000000-0000-4000-8000-000000000000"
"""Stands for the uid that the server makes."""
_URL = re.compile(r"\w+://([A-Za-z0-9.-]+)")
_NOT_IN_NAMES = re.compile(r"[^a-z0-9.-]+")
_TEMPLATE_LABELS = ("spec", "template", "metadata", "labels")
_MOST_ROUNDS = 5
"""Wrong words are corrected before anything else is reported; one may hide others."""


def apply_rules(context: Context, document: Value, kind: Kind[Any]) -> None:
    """Reports every error that the server would answer to a create of the document."""
    errors = _errors(context, document, kind)
    for _ in range(_MOST_ROUNDS):
        if not [one for one in errors if _correct(context, document, one)]:
            break
        errors = _errors(context, document, kind)
    for error in errors:
        path = parse_path(error.path)
        if not _is_reported(context, path, error) and not _is_consequence(document, path, error, errors):
            _report(context, document, path, error)


def _errors(context: Context, document: Value, kind: Kind[Any]) -> list[FieldError]:
    try:
        obj = decode_tree(kind, document.tree(), validation="Ignore").obj
    except StatusError as e:
        context.report("refused", "error", document.span, text("the server refuses this: {reason}", reason=str(e)))
        return []
    if kind.namespaced and not obj.metadata.namespace:
        obj.metadata.namespace = DEFAULT_NAMESPACE
    obj.metadata.uid = _UID  # some defaults are made of it
    obj = kind.prepare_create(kind.default(obj))
    return [*check_metadata(kind, obj.metadata), *check(kind, obj), *kind.create_rules(obj)]


def _correct(context: Context, document: Value, error: FieldError) -> bool:
    """Reports a word that nearly is one that the field permits, and corrects it in the document."""
    meant = meant_by(error)
    found = refused_value(document, parse_path(error.path), error.value) if meant else None
    if found is None:
        return False
    field, path, value = found
    message = text("`{field}: {given}`: did you mean `{meant}`?", field=field, given=error.value, meant=meant)
    context.report("unknown-value", "error", value.span, message, context.replaced(value.span, meant))
    context.reported.add(path)
    value.scalar = meant
    return True


def _is_consequence(document: Value, path: Path, error: FieldError, errors: Sequence[FieldError]) -> bool:
    """Returns whether another error explains this one: labels that a missing selector does not match, or a field that
    the document lacks, which got the wrong value of another field as its default."""
    if path == _TEMPLATE_LABELS and any(one.type == "Required" and one.path == "spec.selector" for one in errors):
        return True
    if error.type != "Invalid" or document.get(*path) is not None:
        return False
    return any(one is not error and (one.value, one.detail) == (error.value, error.detail) for one in errors)


def _report(context: Context, document: Value, path: Path, error: FieldError) -> None:
    span = place_of(context, document, path)
    message = text("{path}: {reason}", path=error.path, reason=error.message())
    context.report(
        "invalid", "error", span, message, *_corrected(context, span, error), help=_help(document, path, error)
    )


def _help(document: Value, path: Path, error: FieldError) -> Text | None:
    """Returns the line to add for a field that older versions of the API did not require."""
    line = ""
    if error.type == "Required" and path[-1:] == ("pathType",):
        line = "pathType: Prefix"
    elif error.type == "Required" and path == ("spec", "selector"):
        labels = document.strings_at("spec", "template", "metadata", "labels")
        pairs = ", ".join(f"{key}: {value}" for key, value in labels.items())
        line = f"selector: {{matchLabels: {{{pairs}}}}}" if pairs else ""
    return text("add the line: {line}", line=line) if line else None


def _corrected(context: Context, span: Span, error: FieldError) -> tuple[Fix, ...]:
    """Returns the line with a name that DNS allows, if the error is about such a name."""
    written = context.lines[span.line][span.column : span.end_column].strip("\"'")
    if error.type != "Invalid" or "RFC 1123" not in error.detail or error.value != written or "${" in written:
        return ()
    host = _URL.match(written)
    meant = host[1].lower() if host else _NOT_IN_NAMES.sub("-", written.lower()).strip("-.")
    return (context.replaced(span, meant),) if meant and meant != written else ()


def _is_reported(context: Context, path: Path, error: FieldError) -> bool:
    """Returns whether the field, one above it or one below it, has a problem already, or is a template's."""
    if isinstance(error.value, str) and "{{" in error.value:
        return True
    return any(path[: len(one)] == one or one[: len(path)] == path for one in context.reported)


def parse_path(path: str) -> Path:
    """Returns the parts of a path such as `spec.ports[0].port` or `metadata.labels[app]`."""
    parts: list[str | int] = []
    for match in _PART.finditer(path):
        index = match["index"]
        parts.append(match["name"] if index is None else int(index) if index.isdigit() else index)
    return tuple(parts)


def place_of(context: Context, document: Value, path: Path) -> Span:
    """Returns the place of a field; of the nearest field above if the document lacks it."""
    value, span = document, document.entries[0].span if document.entries else document.span
    for at, part in enumerate(path):
        if isinstance(part, int):
            if part >= len(value.items):
                break
            value = value.items[part]
            span = value.entries[0].span if value.entries else value.span
            continue
        entry = value.entry(part)
        if entry is None:
            break
        value = entry.value
        span = context.value_span(entry) if at == len(path) - 1 else entry.span
    return span
