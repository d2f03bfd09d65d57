"""Checks of `metav1.Condition`. Source of the texts: apimachinery's `ValidateConditions`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from fairlead.api.meta.types import Condition
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, duplicate, invalid, not_supported, required

_STATUSES = ("False", "True", "Unknown")
_REASON = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_is_reason = re.compile(_REASON).fullmatch
_REASON_TEXT = names.regex_text(
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_'",
    _REASON,
    "my_name",
    "MY_NAME",
    "MyName",
    "ReasonA,ReasonB",
    "ReasonA:ReasonB",
)
_REASON_BYTES, _MESSAGE_BYTES = 1 << 10, 32 << 10


def condition_errors(conditions: Sequence[Condition], path: str) -> Iterator[FieldError]:
    known: set[str] = set()
    for i, condition in enumerate(conditions):
        if condition.type in known:
            yield duplicate(f"{path}[{i}].type", condition.type)
        known.add(condition.type)
        yield from _errors(condition, f"{path}[{i}]")


def _errors(condition: Condition, path: str) -> Iterator[FieldError]:
    for text in names.qualified_name(condition.type):
        yield invalid(f"{path}.type", condition.type, text)
    if condition.status not in _STATUSES:
        yield not_supported(f"{path}.status", condition.status, _STATUSES)
    if condition.observedGeneration < 0:
        text = "must be greater than or equal to zero"
        yield invalid(f"{path}.observedGeneration", condition.observedGeneration, text)
    if not condition.lastTransitionTime:
        yield required(f"{path}.lastTransitionTime")
    if not condition.reason:
        yield required(f"{path}.reason")
    elif not _is_reason(condition.reason):
        yield invalid(f"{path}.reason", condition.reason, _REASON_TEXT)
    for field, most in (("reason", _REASON_BYTES), ("message", _MESSAGE_BYTES)):
        if len(getattr(condition, field).encode()) > most:
            yield FieldError(f"{path}.{field}", "TooLong", None, f"may not be more than {most} bytes")
