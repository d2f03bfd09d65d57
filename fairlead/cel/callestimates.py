"""The estimated cost and the size of the result of each function, if the cost is not 1."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from fairlead.cel import costs
from fairlead.cel.sizes import ONE, UNBOUNDED, UNKNOWN, Entry, Info, Range, add, fixed, multiply
from fairlead.cel.syntax import Call, Literal, Node

Estimate = tuple[Range, Range | None]


class Estimator(Protocol):
    """The knowledge of an estimate about the nodes of an expression."""

    def info(self, node: Node) -> Info: ...

    def size_or_unknown(self, node: Node) -> Range: ...

    def entry(self, node: Node) -> Entry | None: ...

    def item_size(self, node: Node) -> Range: ...

    def sizes(self, node: Call) -> list[Range]:
        """Returns the sizes of the target, if there is one, and of the arguments."""
        ...


def _reading(factor: float = 1, *, sized: bool = False) -> Callable[[Estimator, Call, str], Estimate]:
    def find(estimator: Estimator, node: Call, _: str) -> Estimate:
        size = estimator.sizes(node)[0]
        return size.scaled(factor * costs.TRAVERSAL), size if sized else None

    return find


def _traversal(estimator: Estimator, node: Call, _: str) -> Estimate | None:
    if node.target is None:
        return None
    size = estimator.sizes(node)[0]
    if not node.target.type.params:
        return size.scaled(costs.TRAVERSAL), None
    each = ONE
    if node.target.type.params[0].kind in ("string", "bytes"):
        each = each.plus(estimator.item_size(node.target).scaled(costs.TRAVERSAL))
    return size.times(each), None


def _replace(estimator: Estimator, node: Call, _: str) -> Estimate:
    size, old, new, *_rest = estimator.sizes(node)
    if old.low == 0:
        most, kept_most = add(size.high, 1), size.high
    elif new.high <= old.low:
        most, kept_most = 0, size.high
    else:
        most, kept_most = math.ceil(size.high / old.low), 0
    if old.high == 0:
        least, kept_least = add(size.low, 1), size.low
    elif old.high <= new.low:
        least, kept_least = 0, size.low
    else:
        least, kept_least = math.ceil(size.low / old.high), 0
    return size.scaled(2 * costs.TRAVERSAL), Range(least, most).times(new).plus(Range(kept_least, kept_most))


def _split(estimator: Estimator, node: Call, _: str) -> Estimate:
    size, most = estimator.sizes(node)[0], None
    if len(node.args) > 1 and isinstance(node.args[1], Literal) and isinstance(node.args[1].value, int):
        most = node.args[1].value % (1 << 64)
    return size.scaled(2 * costs.TRAVERSAL), Range(0, size.high if most is None else most)


def _join(estimator: Estimator, node: Call, _: str) -> Estimate | None:
    if node.target is None:
        return None
    items, *separator = estimator.sizes(node)
    size = items.times(estimator.item_size(node.target))
    if separator:
        size = size.plus(separator[0].times(Range(max(items.low - 1, 0), max(items.high - 1, 0))))
    return size.scaled(costs.TRAVERSAL), size


def _find(estimator: Estimator, node: Call, _: str) -> Estimate | None:
    if len(sizes := estimator.sizes(node)) < 2:
        return None
    cost = sizes[0].plus(ONE).scaled(costs.TRAVERSAL).times(sizes[1].scaled(costs.REGEX))
    return cost, Range(0, sizes[0].high) if node.function != "matches" else None


def _contains_network(estimator: Estimator, node: Call, overload: str) -> Estimate:
    size = Range(4, 16)
    cost = size.plus(size).scaled(costs.TRAVERSAL)
    if node.function == "containsCIDR":
        cost = cost.plus(size.scaled(costs.TRAVERSAL)).plus(ONE)
    if overload.endswith("_string"):
        cost = cost.plus(estimator.sizes(node)[1].scaled(costs.TRAVERSAL))
    return cost, None


def _selector(estimator: Estimator, node: Call, _: str) -> Estimate:
    size = estimator.sizes(node)[-1]
    requirements = size.scaled(0.5).scaled(costs.LIST + costs.STRUCT)
    return fixed(costs.LIST).plus(size.scaled(costs.TRAVERSAL)).plus(requirements), None


def _validate(estimator: Estimator, node: Call, _: str) -> Estimate:
    return estimator.sizes(node)[-1].scaled(costs.TRAVERSAL).scaled(128 * costs.REGEX), None


def _added(estimator: Estimator, node: Call, overload: str) -> Estimate:
    one, other = estimator.sizes(node)
    size = one.plus(other)
    first, second = estimator.entry(node.args[0]), estimator.entry(node.args[1])
    if first is not None and second is not None:
        estimator.info(node).entry = first.union(second)
    return (ONE if overload == "add_list" else size.scaled(costs.TRAVERSAL)), size


def _contains(estimator: Estimator, node: Call, _: str) -> Estimate:
    one, other = estimator.sizes(node)
    return one.scaled(costs.TRAVERSAL).times(other.scaled(costs.TRAVERSAL)), None


def _in(estimator: Estimator, node: Call, overload: str) -> Estimate:
    return (estimator.sizes(node)[1] if overload == "in_list" else ONE), None


def _to_bytes(estimator: Estimator, node: Call, _: str) -> Estimate:
    size = estimator.sizes(node)[0]
    return size.scaled(costs.TRAVERSAL), Range(size.low, multiply(size.high, 4))


def _to_text(estimator: Estimator, node: Call, _: str) -> Estimate:
    size = estimator.sizes(node)[0]
    return size.scaled(costs.TRAVERSAL), Range(size.low // 4, size.high)


def _affix(estimator: Estimator, node: Call, _: str) -> Estimate:
    return estimator.sizes(node)[-1].scaled(costs.TRAVERSAL), None


def _list_call(size: Range, factor: float = 1) -> Estimate:
    return size.scaled(factor).plus(fixed(1 + costs.LIST)), size


def _number(node: Node, otherwise: int) -> int:
    return node.value if isinstance(node, Literal) and isinstance(node.value, int) else otherwise


def _slice(estimator: Estimator, node: Call, _: str) -> Estimate:
    begin, end = node.args
    size = _number(end, estimator.sizes(node)[0].high) - _number(begin, 0)
    return _list_call(fixed(max(size, 0)))


def _squared(factor: float) -> Callable[[Estimator, Call, str], Estimate]:
    def find(estimator: Estimator, node: Call, _: str) -> Estimate:
        keys = node.args[0] if node.args else node.target
        size = estimator.size_or_unknown(keys) if keys is not None else UNKNOWN
        text = keys is not None and keys.type.params and keys.type.params[0].kind in ("string", "bytes")
        return _list_call(size.times(size), factor + (costs.TRAVERSAL if text and node.function != "distinct" else 0))

    return find


def _flatten(estimator: Estimator, node: Call, _: str) -> Estimate:
    depth = _number(node.args[0], UNBOUNDED) if node.args else 1
    return _list_call(estimator.sizes(node)[0], depth)


def _sets(estimator: Estimator, node: Call, _: str) -> Estimate:
    one, other = estimator.sizes(node)
    return one.times(other).scaled(costs.SETS[node.function]).plus(ONE), None


ESTIMATES: Mapping[str, Callable[[Estimator, Call, str], Any]] = {
    **dict.fromkeys(costs.TRAVERSALS, _traversal),
    **dict.fromkeys(costs.READERS, _reading(sized=True)),
    **dict.fromkeys(costs.PARSERS, _reading()),
    "cidr_ip": lambda e, n, o: (ONE, None),
    "ip.isCanonical": _reading(2),
    "replace": _replace,
    "split": _split,
    "join": _join,
    **dict.fromkeys(("find", "findAll", "matches"), _find),
    **dict.fromkeys(("containsIP", "containsCIDR"), _contains_network),
    **dict.fromkeys(("fieldSelector", "labelSelector"), _selector),
    "validate": _validate,
    **dict.fromkeys(("add_string", "add_bytes", "add_list"), _added),
    "contains": _contains,
    "@in": _in,
    "string_to_bytes": _to_bytes,
    "bytes_to_string": _to_text,
    **dict.fromkeys(("startsWith", "endsWith"), _affix),
    "format": _reading(),
    "slice": _slice,
    "lists.range": lambda e, n, o: _list_call(fixed(_number(n.args[0], UNBOUNDED))),
    "list_reverse": lambda e, n, o: _list_call(e.sizes(n)[0]),
    "flatten": _flatten,
    **dict.fromkeys(costs.SETS, _sets),
    **dict.fromkeys(("distinct", "sort", "@sortByAssociatedKeys"), _squared(2)),
}
"""The cost and the size of the result by overload or function, if the cost is not 1."""
