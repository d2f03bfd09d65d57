"""Estimates the cost of a checked expression before it runs, from the greatest sizes that a schema allows.

Numbers and rules are those of cel-go's estimator with upstream's extension: a rule is accepted there if its estimate
is below a limit, so both must agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fairlead.cel import costs
from fairlead.cel.syntax import (
    Bind,
    Call,
    Comprehension,
    Ident,
    ListNode,
    Literal,
    MapNode,
    Node,
    Select,
    StructNode,
)
from fairlead.cel.types import OPTIONAL, Type

UNBOUNDED = (1 << 64) - 1
_SCALARS = frozenset(("bool", "double", "duration", "int", "timestamp", "uint"))


class Range(NamedTuple):
    """The least and the greatest value of a size or a cost."""

    low: int
    high: int

    def plus(self, other: Range) -> Range:
        return Range(_add(self.low, other.low), _add(self.high, other.high))

    def times(self, other: Range) -> Range:
        return Range(_multiply(self.low, other.low), _multiply(self.high, other.high))

    def scaled(self, factor: float) -> Range:
        return Range(_scale(self.low, factor), _scale(self.high, factor))

    def union(self, other: Range) -> Range:
        return Range(min(self.low, other.low), max(self.high, other.high))


def _add(one: int, other: int) -> int:
    return min(one + other, UNBOUNDED)


def _multiply(one: int, other: int) -> int:
    return min(one * other, UNBOUNDED)


def _scale(value: int, factor: float) -> int:
    return min(math.ceil(float(value) * factor), UNBOUNDED)


def fixed(value: int) -> Range:
    return Range(value, value)


UNKNOWN = Range(0, UNBOUNDED)
_NONE, _ONE = fixed(0), fixed(1)
Path = tuple[str, ...]


def size_at(root: Type, path: Path) -> Range | None:
    """Returns the size that the schema of `self` bounds at a path. The first step is not looked at, as upstream."""
    if not path:
        return None
    found = root
    for step in path[1:]:
        if step in ("@items", "@values", "@keys"):
            if not found.params:
                return None
            found = found.params[0 if step == "@keys" or found.kind == "list" else 1]
        elif (field := found.fields.get(step)) is not None:
            found = field.type
        else:
            return None
    return Range(0, found.max_elements or 0)


class _Local(NamedTuple):
    path: Path
    size: Range | None
    entry: Entry | None


class Entry(NamedTuple):
    """The sizes of keys and values of a list or map."""

    is_list: bool
    key: Range
    value: Range

    def union(self, other: Entry) -> Entry:
        return Entry(self.is_list, self.key.union(other.key), self.value.union(other.value))


class _Info:
    """The knowledge of a node: the path, the size, and the sizes of entries."""

    __slots__ = ("entry", "path", "size")

    def __init__(self) -> None:
        self.path: Path = ()
        self.size: Range | None = None
        self.entry: Entry | None = None


def estimate(node: Node, root: Type) -> Range:
    """Returns the least and greatest cost of an expression; `root` is the type of `self`."""
    return _Estimator(root).cost(node)


class _Estimator:
    def __init__(self, root: Type) -> None:
        self._root = root
        self._infos: dict[int, _Info] = {}
        self._locals: dict[str, list[_Local]] = {}

    def info(self, node: Node) -> _Info:
        return self._infos.setdefault(id(node), _Info())

    def path(self, node: Node) -> Path:
        if isinstance(node, Ident) and (local := self._local(node.name)) is not None:
            return local.path
        return self.info(node).path

    def _local(self, name: str) -> _Local | None:
        stack = self._locals.get(name)
        return stack[-1] if stack else None

    def cost(self, node: Node) -> Range:
        match node:
            case Ident():
                local = self._local(node.name)
                self.info(node).path = local.path if local is not None else (node.name,)
                return _ONE
            case Select():
                return self._select(node)
            case Call():
                return self._call(node)
            case ListNode():
                return self._list(node)
            case MapNode():
                return self._map(node)
            case StructNode():
                return self._sum([entry.value for entry in node.entries]).plus(fixed(costs.STRUCT))
            case Comprehension():
                return self._loop(node)
            case Bind():
                return self._bind(node)
            case _:
                return _NONE

    def _sum(self, nodes: list[Node]) -> Range:
        total = _NONE
        for node in nodes:
            total = total.plus(self.cost(node))
        return total

    def _select(self, node: Select) -> Range:
        if node.test:
            return self.cost(node.operand)
        total = self.cost(node.operand)
        if node.optional or node.operand.type.kind in ("map", "struct", "param"):
            total = total.plus(_ONE)
        if not node.field:
            self.info(node).path = self.path(node.operand)  # the name of a type
        elif not node.optional:
            self.info(node).path = (*self.path(node.operand), node.field)
        return total

    # Sizes

    def size(self, node: Node) -> Range | None:
        info = self.info(node)
        if info.size is not None:
            return info.size
        literal = _literal_size(node)
        if literal is not None:
            return literal
        info.size = size_at(self._root, self.path(node))
        if info.size is not None:
            return info.size
        if _is_scalar(node.type):
            return _ONE
        if isinstance(node, Ident) and (local := self._local(node.name)) is not None:
            return local.size
        return None

    def size_or_unknown(self, node: Node) -> Range:
        return self.size(node) or UNKNOWN

    def entry(self, node: Node) -> Entry | None:
        found = self.info(node).entry
        if found is None and isinstance(node, Ident) and (local := self._local(node.name)) is not None:
            return local.entry
        return found

    def _item_size(self, node: Node) -> Range:
        """Returns the size of the items of a list."""
        if not node.type.params:
            return UNKNOWN
        path = self.path(node)
        return (size_at(self._root, (*path, "@items")) if path else None) or UNKNOWN

    # Literals and loops

    def _list(self, node: ListNode) -> Range:
        total, item = self._sum(node.items), None
        for one in node.items:
            size = self.size_or_unknown(one)
            item = size if item is None else item.union(size)
        self.info(node).entry = Entry(True, _ONE, item or _NONE)
        return total.plus(fixed(costs.LIST))

    def _map(self, node: MapNode) -> Range:
        total, key, value = _NONE, None, None
        for one in node.entries:
            total = total.plus(self.cost(one.key)).plus(self.cost(one.value))
            keys, values = self.size_or_unknown(one.key), self.size_or_unknown(one.value)
            key = keys if key is None else key.union(keys)
            value = values if value is None else value.union(values)
        self.info(node).entry = Entry(False, key or _NONE, value or _NONE)
        return total.plus(fixed(costs.MAP))

    def _push(self, name: str, local: _Local) -> None:
        self._locals.setdefault(name, []).append(local)

    def _loop(self, node: Comprehension) -> Range:
        total = self.cost(node.within).plus(self.cost(node.init))
        self._push(node.accu, _Local(self.path(node.init), self.size(node.init), self.entry(node.init)))
        names = self._push_variables(node)
        each = self.cost(node.condition).plus(self.cost(node.step))
        for name in names:
            self._locals[name].pop()
        total = total.plus(self.cost(node.result))
        self._locals[node.accu].pop()
        count = self.size_or_unknown(node.within)
        total = total.plus(count.times(each))
        if isinstance(node.init, Literal):
            self.info(node).size = self.size(node.init)
        elif isinstance(node.init, ListNode | MapNode):
            self.info(node).size = count
            self.info(node).entry = self.entry(node.step) or self.info(node).entry
        return total

    def _push_variables(self, node: Comprehension) -> list[str]:
        entry, path = self.entry(node.within), self.path(node.within)
        is_list = entry.is_list if entry is not None else node.within.type.kind == "list"
        item = _Local((*path, "@items" if is_list else "@values"), entry.value if entry else None, None)
        if node.var2:
            key = _Local((*path, "@indices" if is_list else "@keys"), entry.key if entry else None, None)
            self._push(node.var, key)
            self._push(node.var2, item)
            return [node.var, node.var2]
        if not is_list:
            item = _Local((*path, "@keys"), entry.key if entry else None, None)
        self._push(node.var, item)
        return [node.var]

    def _bind(self, node: Bind) -> Range:
        total = fixed(costs.LIST).plus(self.cost(node.value))
        self._push(node.name, _Local(self.path(node.value), self.size(node.value), self.entry(node.value)))
        total = total.plus(self.cost(node.body))
        self._locals[node.name].pop()
        self.info(node).size, self.info(node).entry = self.size(node.body), self.entry(node.body)
        return total

    # Calls

    def _call(self, node: Call) -> Range:
        arg_costs = [self.cost(arg) for arg in node.args]
        total = _NONE
        for cost in arg_costs:
            total = total.plus(cost)
        if node.function == "dyn":
            arg = node.args[0]
            self.info(node).size, self.info(node).entry = self.size(arg), self.entry(arg)
            return total.plus(_ONE)
        if node.function in ("_&&_", "_||_"):
            return Range(arg_costs[0].low, total.high)
        if node.function == "_?_:_":
            return self._conditional(node, arg_costs)
        if node.target is not None:
            total = total.plus(self.cost(node.target))
        if node.function == "_[_]":
            self._index(node)
        cost, size = self._function(node)
        if size is not None:
            self.info(node).size = size
        return total.plus(cost)

    def _conditional(self, node: Call, arg_costs: list[Range]) -> Range:
        _, yes, no = node.args
        self.info(node).size = self.size_or_unknown(yes).union(self.size_or_unknown(no))
        one, other = self.entry(yes), self.entry(no)
        self.info(node).entry = one.union(other) if one is not None and other is not None else None
        return arg_costs[0].plus(arg_costs[1].union(arg_costs[2]))

    def _index(self, node: Call) -> None:
        container = node.args[0]
        is_list = container.type.kind == "list"
        entry = self.entry(container)
        self.info(node).path = (*self.path(container), "@items" if is_list else "@values")
        if entry is not None:
            self.info(node).size = entry.value

    def _function(self, node: Call) -> tuple[Range, Range | None]:
        """Returns the cost of the call alone and the size of the result, over all overloads that fit."""
        cost: Range | None = None
        size: Range | None = None
        for overload in node.overloads or [None]:
            own_cost, own_size = self._overload(node, overload.id if overload is not None else "")
            cost = own_cost if cost is None else cost.union(own_cost)
            size = own_size if size is None else (size.union(own_size) if own_size is not None else size)
        return cost or _ONE, size

    def _overload(self, node: Call, overload: str) -> tuple[Range, Range | None]:
        name = node.function
        if name in costs.NOMINAL:
            return _ONE, None
        if name == "check":
            return fixed(costs.AUTHORIZATION), None
        if name in costs.ORDERED:
            return self._compared(node, overload), None
        special = _ESTIMATES.get(overload) or _ESTIMATES.get(name)
        found = special(self, node, overload) if special is not None else None
        return found if found is not None else (_ONE, None)

    def _compared(self, node: Call, overload: str) -> Range:
        one, other = node.args
        if one.type.same(other.type) and one.type.name in costs.OPAQUE_SCALARS:
            return _ONE
        if node.function not in ("_==_", "_!=_") and not overload.endswith(("_string", "_bytes")):
            return _ONE
        high = min(self.size_or_unknown(one).high, self.size_or_unknown(other).high)
        return Range(1 if high else 0, high).scaled(costs.TRAVERSAL)

    def sizes(self, node: Call) -> list[Range]:
        """Returns the sizes of the target, if there is one, and of the arguments."""
        return [self.size_or_unknown(one) for one in ([node.target] if node.target is not None else []) + node.args]


Estimate = tuple[Range, Range | None]


def _literal_size(node: Node) -> Range | None:
    match node:
        case Literal():
            return fixed(len(node.value)) if isinstance(node.value, str | bytes) else _ONE
        case ListNode():
            return fixed(len(node.items))
        case MapNode():
            return fixed(len(node.entries))
        case _:
            return None


def _is_scalar(type: Type) -> bool:
    return type.kind in _SCALARS or (type.name == OPTIONAL and _is_scalar(type.params[0]))


def _reading(factor: float = 1, *, sized: bool = False) -> Callable[[_Estimator, Call, str], Estimate]:
    def find(estimator: _Estimator, node: Call, _: str) -> Estimate:
        size = estimator.sizes(node)[0]
        return size.scaled(factor * costs.TRAVERSAL), size if sized else None

    return find


def _traversal(estimator: _Estimator, node: Call, _: str) -> Estimate | None:
    if node.target is None:
        return None
    size = estimator.sizes(node)[0]
    if not node.target.type.params:
        return size.scaled(costs.TRAVERSAL), None
    each = _ONE
    if node.target.type.params[0].kind in ("string", "bytes"):
        each = each.plus(estimator._item_size(node.target).scaled(costs.TRAVERSAL))
    return size.times(each), None


def _replace(estimator: _Estimator, node: Call, _: str) -> Estimate:
    size, old, new, *_rest = estimator.sizes(node)
    if old.low == 0:
        most, kept_most = _add(size.high, 1), size.high
    elif new.high <= old.low:
        most, kept_most = 0, size.high
    else:
        most, kept_most = math.ceil(size.high / old.low), 0
    if old.high == 0:
        least, kept_least = _add(size.low, 1), size.low
    elif old.high <= new.low:
        least, kept_least = 0, size.low
    else:
        least, kept_least = math.ceil(size.low / old.high), 0
    return size.scaled(2 * costs.TRAVERSAL), Range(least, most).times(new).plus(Range(kept_least, kept_most))


def _split(estimator: _Estimator, node: Call, _: str) -> Estimate:
    size, most = estimator.sizes(node)[0], None
    if len(node.args) > 1 and isinstance(node.args[1], Literal) and isinstance(node.args[1].value, int):
        most = node.args[1].value % (1 << 64)
    return size.scaled(2 * costs.TRAVERSAL), Range(0, size.high if most is None else most)


def _join(estimator: _Estimator, node: Call, _: str) -> Estimate | None:
    if node.target is None:
        return None
    items, *separator = estimator.sizes(node)
    size = items.times(estimator._item_size(node.target))
    if separator:
        size = size.plus(separator[0].times(Range(max(items.low - 1, 0), max(items.high - 1, 0))))
    return size.scaled(costs.TRAVERSAL), size


def _find(estimator: _Estimator, node: Call, _: str) -> Estimate | None:
    if len(sizes := estimator.sizes(node)) < 2:
        return None
    cost = sizes[0].plus(_ONE).scaled(costs.TRAVERSAL).times(sizes[1].scaled(costs.REGEX))
    return cost, Range(0, sizes[0].high) if node.function != "matches" else None


def _contains_network(estimator: _Estimator, node: Call, overload: str) -> Estimate:
    size = Range(4, 16)
    cost = size.plus(size).scaled(costs.TRAVERSAL)
    if node.function == "containsCIDR":
        cost = cost.plus(size.scaled(costs.TRAVERSAL)).plus(_ONE)
    if overload.endswith("_string"):
        cost = cost.plus(estimator.sizes(node)[1].scaled(costs.TRAVERSAL))
    return cost, None


def _selector(estimator: _Estimator, node: Call, _: str) -> Estimate:
    size = estimator.sizes(node)[-1]
    requirements = size.scaled(0.5).scaled(costs.LIST + costs.STRUCT)
    return fixed(costs.LIST).plus(size.scaled(costs.TRAVERSAL)).plus(requirements), None


def _validate(estimator: _Estimator, node: Call, _: str) -> Estimate:
    return estimator.sizes(node)[-1].scaled(costs.TRAVERSAL).scaled(128 * costs.REGEX), None


def _added(estimator: _Estimator, node: Call, overload: str) -> Estimate:
    one, other = estimator.sizes(node)
    size = one.plus(other)
    first, second = estimator.entry(node.args[0]), estimator.entry(node.args[1])
    if first is not None and second is not None:
        estimator.info(node).entry = first.union(second)
    return (_ONE if overload == "add_list" else size.scaled(costs.TRAVERSAL)), size


def _contains(estimator: _Estimator, node: Call, _: str) -> Estimate:
    one, other = estimator.sizes(node)
    return one.scaled(costs.TRAVERSAL).times(other.scaled(costs.TRAVERSAL)), None


def _in(estimator: _Estimator, node: Call, overload: str) -> Estimate:
    return (estimator.sizes(node)[1] if overload == "in_list" else _ONE), None


def _to_bytes(estimator: _Estimator, node: Call, _: str) -> Estimate:
    size = estimator.sizes(node)[0]
    return size.scaled(costs.TRAVERSAL), Range(size.low, _multiply(size.high, 4))


def _to_text(estimator: _Estimator, node: Call, _: str) -> Estimate:
    size = estimator.sizes(node)[0]
    return size.scaled(costs.TRAVERSAL), Range(size.low // 4, size.high)


def _affix(estimator: _Estimator, node: Call, _: str) -> Estimate:
    return estimator.sizes(node)[-1].scaled(costs.TRAVERSAL), None


def _list_call(size: Range, factor: float = 1) -> Estimate:
    return size.scaled(factor).plus(fixed(1 + costs.LIST)), size


def _number(node: Node, otherwise: int) -> int:
    return node.value if isinstance(node, Literal) and isinstance(node.value, int) else otherwise


def _slice(estimator: _Estimator, node: Call, _: str) -> Estimate:
    begin, end = node.args
    size = _number(end, estimator.sizes(node)[0].high) - _number(begin, 0)
    return _list_call(fixed(max(size, 0)))


def _squared(factor: float) -> Callable[[_Estimator, Call, str], Estimate]:
    def find(estimator: _Estimator, node: Call, _: str) -> Estimate:
        keys = node.args[0] if node.args else node.target
        size = estimator.size_or_unknown(keys) if keys is not None else UNKNOWN
        text = keys is not None and keys.type.params and keys.type.params[0].kind in ("string", "bytes")
        return _list_call(size.times(size), factor + (costs.TRAVERSAL if text and node.function != "distinct" else 0))

    return find


def _flatten(estimator: _Estimator, node: Call, _: str) -> Estimate:
    depth = _number(node.args[0], UNBOUNDED) if node.args else 1
    return _list_call(estimator.sizes(node)[0], depth)


def _sets(estimator: _Estimator, node: Call, _: str) -> Estimate:
    one, other = estimator.sizes(node)
    return one.times(other).scaled(costs.SETS[node.function]).plus(_ONE), None


_ESTIMATES: Mapping[str, Callable[[_Estimator, Call, str], Any]] = {
    **dict.fromkeys(costs.TRAVERSALS, _traversal),
    **dict.fromkeys(costs.READERS, _reading(sized=True)),
    **dict.fromkeys(costs.PARSERS, _reading()),
    "cidr_ip": lambda e, n, o: (_ONE, None),
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
