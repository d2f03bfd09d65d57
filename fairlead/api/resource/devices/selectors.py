"""Expressions in CEL that select devices: they are compiled and their cost is estimated when an object is written."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

from fairlead.machinery.values.status import FieldError, forbidden, invalid

if TYPE_CHECKING:
    from fairlead.cel.types import Type

LONGEST_BYTES = 10 << 10
MOST_COST = 1_000_000
_MOST_ENTRIES, _DOMAIN_MAX, _ID_MAX, _DRIVER_MAX, _VALUE_MAX = 32, 63, 32, 63, 64


@cache
def device_type() -> Type:
    """Returns the type of the variable `device`."""
    from fairlead.cel.libraries.networks import Quantity
    from fairlead.cel.types import Type, map_of, struct

    domain, name = Type("string", max_elements=_DOMAIN_MAX), Type("string", max_elements=_ID_MAX)
    value = Type("dyn", max_elements=_VALUE_MAX)
    inner, amounts = map_of(name, value, _MOST_ENTRIES), map_of(name, Quantity.cel_type, _MOST_ENTRIES)
    return struct(
        "kubernetes.DRADevice",
        {
            "driver": Type("string", max_elements=_DRIVER_MAX),
            "allowMultipleAllocations": Type("bool", max_elements=1),
            "attributes": map_of(domain, inner, _MOST_ENTRIES),
            "capacity": map_of(domain, amounts, _MOST_ENTRIES),
        },
    )


def expression_errors(expression: str, path: str) -> list[FieldError]:
    """Returns the errors of an expression."""
    if len(expression.encode()) > LONGEST_BYTES:
        return [FieldError(path, "TooLong", None, f"may not be more than {LONGEST_BYTES} bytes")]
    text, cost = _compiled(expression)
    if text:
        return [invalid(path, expression, text)]
    return [forbidden(path, "too complex, exceeds cost limit")] if cost > MOST_COST else []


@lru_cache(maxsize=256)
def _compiled(expression: str) -> tuple[str, int]:
    """Returns the error of an expression, or its greatest cost."""
    from fairlead.cel.environment import BOOL, DYN, CompileError, Environment

    try:
        program = Environment({"device": device_type()}).compile(expression)
    except CompileError as error:
        return f"compilation failed: {error}", 0
    if not program.type.same(BOOL) and not program.type.same(DYN):
        return f"must evaluate to bool or the unknown type, not {program.type}", 0
    return "", program.estimate(device_type()).high
