"""The cost of calls, by the sizes of their arguments: as they run, and as they are estimated before.

The figures are upstream's: they decide which rules a CustomResourceDefinition may have and when an evaluation is
stopped, so a rule that works there must work here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from fairlead.cel.values import size_of

LIST, MAP, STRUCT = 10, 30, 40
TRAVERSAL = 0.1
"""The cost of reading one character."""
REGEX = 0.25
"""The cost of one character of a regular expression, per unit of the text's cost."""
AUTHORIZATION = 350_000
"""The cost of one authorization check: two of them fit into one expression."""

CallCost = Callable[[str, tuple[Any, ...], Any], int]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


NOMINAL = _names(
    "serviceAccount path group resource subresource namespace name allowed reason error errored masked prefixLength "
    "family isUnspecified isLoopback isLinkLocalMulticast isLinkLocalUnicast isGlobalUnicast format.named sign "
    "asInteger isInteger asApproximateFloat isGreaterThan isLessThan compareTo add sub major minor patch getScheme "
    "getHostname getHost getPort getEscapedPath getQuery"
)
TRAVERSALS = _names("isSorted sum max min indexOf lastIndexOf")
PARSERS = _names("cidr isIP isCIDR ip quantity isQuantity semver isSemver")
READERS = _names("url lowerAscii upperAscii substring trim jsonpatch.escapeKey")
REWRITERS = _names("replace split ip.isCanonical")
ORDERED = _names("_<_ _<=_ _>_ _>=_ _==_ _!=_")
OPAQUE_SCALARS = _names(
    "kubernetes.Quantity net.IP net.CIDR kubernetes.NamedFormat kubernetes.URL kubernetes.Semver "
    "kubernetes.authorization.Authorizer kubernetes.authorization.PathCheck kubernetes.authorization.GroupCheck "
    "kubernetes.authorization.ResourceCheck kubernetes.authorization.Decision"
)
SETS = {"sets.contains": 1, "sets.intersects": 1, "sets.equivalent": 2}
"""The cost of one comparison in functions of sets, which compare every item with every other."""


def reading(size: float, factor: float = 1) -> int:
    """Returns the cost of reading a text of the size."""
    return math.ceil(size * factor * TRAVERSAL)


def matching(text: float, pattern: float) -> int:
    """Returns the cost of matching a text of a size with a pattern of a size."""
    return reading(1 + text) * math.ceil(pattern * REGEX)


def call_cost(function: str, overload: str, args: tuple[Any, ...], result: Any) -> int:
    """Returns the cost of a call that was made."""
    if function in NOMINAL:
        return 1
    special = _CALLS.get(overload) or _CALLS.get(function)
    return special(overload, args, result) if special is not None else 1


def _traversal(value: Any) -> int:
    if isinstance(value, str | bytes):
        return int(len(value) * TRAVERSAL)
    if isinstance(value, list | tuple):
        return sum(map(_traversal, value))
    if isinstance(value, Mapping):
        return sum(_traversal(key) + _traversal(one) for key, one in value.items())
    return 1


def _compared(_: str, args: tuple[Any, ...], __: Any) -> int:
    own = getattr(args[0], "cel_type", None)
    if own is not None and own.name in OPAQUE_SCALARS:
        return 1
    one, other = args
    # Scalars are nearly all of what is compared.
    if isinstance(one, int | float) or isinstance(other, int | float):
        return 1
    return reading(min(size_of(one), size_of(other)))


def _contains(overload: str, args: tuple[Any, ...], _: Any) -> int:
    size, other = size_of(args[0]), size_of(args[1])
    cost = reading(2 * size)
    if "containsCIDR" in overload or "contains_cidr" in overload:
        cost += reading(size) + 1
    return cost + (reading(other) if overload.endswith("_string") else 0)


def _square(items: Any) -> int:
    """Returns the cost of comparing every item with every other."""
    factor = 2 + (TRAVERSAL if items and isinstance(items[0], str | bytes) else 0)
    return 1 + LIST + int(factor * len(items) ** 2)


def _grown(_: str, __: tuple[Any, ...], result: Any) -> int:
    return 1 + LIST + size_of(result)


def _sorted(_: str, args: tuple[Any, ...], __: Any) -> int:
    return _square(args[-1])


def _set_cost(factor: int) -> CallCost:
    return lambda _, args, __: 1 + size_of(args[0]) * size_of(args[1]) * factor


_CALLS: Mapping[str, CallCost] = {
    "check": lambda o, a, r: AUTHORIZATION,
    **{name: lambda o, a, r: LIST + reading(size_of(a[1])) + math.ceil(math.ceil(size_of(a[1]) * 0.5) * 50)
       for name in ("fieldSelector", "labelSelector")},
    **dict.fromkeys(TRAVERSALS, lambda o, a, r: _traversal(a[0])),
    **{name: _set_cost(factor) for name, factor in SETS.items()},
    **{name: lambda o, a, r: reading(size_of(a[0])) for name in READERS | PARSERS},
    **{name: lambda o, a, r: reading(size_of(a[0]), 2) for name in REWRITERS},
    "cidr_ip": lambda o, a, r: 1,
    "dyn": lambda o, a, r: 0,
    "join": lambda o, a, r: reading(size_of(r), 2),
    **{name: lambda o, a, r: matching(size_of(a[0]), size_of(a[1])) for name in ("find", "findAll", "matches")},
    "containsIP": _contains,
    "containsCIDR": _contains,
    "validate": lambda o, a, r: matching(size_of(a[1]), a[0].regex_size),
    **{name: lambda o, a, r: reading(size_of(a[0])) for name in (
        "startsWith", "endsWith", "string_to_bytes", "bytes_to_string", "strings.quote", "format")},
    "@in": lambda o, a, r: size_of(a[1]) if o == "in_list" else 1,
    **dict.fromkeys(ORDERED, _compared),
    "add_string": lambda o, a, r: reading(size_of(a[0]) + size_of(a[1])),
    "add_bytes": lambda o, a, r: reading(size_of(a[0]) + size_of(a[1])),
    "contains": lambda o, a, r: reading(size_of(a[0])) * reading(size_of(a[1])),
    "slice": _grown,
    "lists.range": _grown,
    "list_reverse": _grown,
    "flatten": lambda o, a, r: 1 + LIST + size_of(a[0]) * (a[1] if len(a) > 1 else 1),
    "distinct": _sorted,
    "sort": _sorted,
    "@sortByAssociatedKeys": _sorted,
}  # fmt: skip
"""The cost by overload or by function, if it is not 1."""
