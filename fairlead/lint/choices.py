"""Finds the word that was meant by a value which the server's rules refuse: `prefix` for `Prefix`."""

from __future__ import annotations

import re

from fairlead.api.core.service.predicates import NO_IP
from fairlead.lint.document import Path, Value
from fairlead.lint.near import nearest
from fairlead.machinery.values.status import FieldError

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)+)"')
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
_NOT_AN_OPERATOR = "not a valid selector operator"


def meant_by(error: FieldError) -> str:
    """Returns the value that is nearest to the refused one among those that the field permits; empty if none is."""
    given = error.value
    if not isinstance(given, str) or not given:
        return ""
    if error.type == "NotSupported":
        return nearest(given, _QUOTED.findall(error.detail))
    if error.type == "Invalid" and error.detail == _NOT_AN_OPERATOR:
        return nearest(given, _OPERATORS)
    if error.type == "Invalid" and "IP address" in error.detail and given.lower() == NO_IP.lower():
        return NO_IP
    return ""


def refused_value(document: Value, path: Path, given: str) -> tuple[str, Path, Value] | None:
    """Returns field, path and scalar that hold a refused value: at the path, or an item of the list there.

    The server fills `clusterIPs` from `clusterIP`, and its errors name the first.
    """
    singular = (*path[:-2], str(path[-2])[:-1]) if len(path) > 1 and path[-1] == 0 else path
    for place in (path, singular):
        value = document.get(*place)
        for at, one in enumerate([value, *value.items]) if value is not None else ():
            if one.form == "scalar" and one.scalar == given and one.span.line == one.last_line:
                field = next(str(part) for part in reversed(place) if isinstance(part, str))
                return field, place if at == 0 else (*place, at - 1), one
    return None
