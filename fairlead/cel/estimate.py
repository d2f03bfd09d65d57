"""Estimates the cost of a checked expression before it runs, from the greatest sizes that a schema allows.

Numbers and rules are those of cel-go's estimator with upstream's extension: a rule is accepted there if its estimate
is below a limit, so both must agree.
"""

from __future__ import annotations

from typing import NamedTuple

from fairlead.cel import costs
from fairlead.cel.callestimates import ESTIMATES
from fairlead.cel.sizes import NOTHING, ONE, UNKNOWN, Entry, Info, Path, Range, fixed, is_scalar, literal_size, size_at
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
from fairlead.cel.types import Type


class _Local(NamedTuple):
    path: Path
    size: Range | None
    entry: Entry | None


def estimate(node: Node, root: Type) -> Range:
    """Returns the least and greatest cost of an expression; `root` is the type of `self`."""
    return _Estimator(root).cost(node)


class _Estimator:
    def __init__(self, root: Type) -> None:
        self._root = root
        self._infos: dict[int, Info] = {}
        self._locals: dict[str, list[_Local]] = {}

    def info(self, node: Node) -> Info:
        return self._infos.setdefault(id(node), Info())

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
                return ONE
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
                return NOTHING

    def _sum(self, nodes: list[Node]) -> Range:
        total = NOTHING
        for node in nodes:
            total = total.plus(self.cost(node))
        return total

    def _select(self, node: Select) -> Range:
        if node.test:
            return self.cost(node.operand)
        total = self.cost(node.operand)
        if node.optional or node.operand.type.kind in ("map", "struct", "param"):
            total = total.plus(ONE)
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
        literal = literal_size(node)
        if literal is not None:
            return literal
        info.size = size_at(self._root, self.path(node))
        if info.size is not None:
            return info.size
        if is_scalar(node.type):
            return ONE
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

    def item_size(self, node: Node) -> Range:
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
        self.info(node).entry = Entry(True, ONE, item or NOTHING)
        return total.plus(fixed(costs.LIST))

    def _map(self, node: MapNode) -> Range:
        total, key, value = NOTHING, None, None
        for one in node.entries:
            total = total.plus(self.cost(one.key)).plus(self.cost(one.value))
            keys, values = self.size_or_unknown(one.key), self.size_or_unknown(one.value)
            key = keys if key is None else key.union(keys)
            value = values if value is None else value.union(values)
        self.info(node).entry = Entry(False, key or NOTHING, value or NOTHING)
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
        total = NOTHING
        for cost in arg_costs:
            total = total.plus(cost)
        if node.function == "dyn":
            arg = node.args[0]
            self.info(node).size, self.info(node).entry = self.size(arg), self.entry(arg)
            return total.plus(ONE)
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
        return cost or ONE, size

    def _overload(self, node: Call, overload: str) -> tuple[Range, Range | None]:
        name = node.function
        if name in costs.NOMINAL:
            return ONE, None
        if name == "check":
            return fixed(costs.AUTHORIZATION), None
        if name in costs.ORDERED:
            return self._compared(node, overload), None
        special = ESTIMATES.get(overload) or ESTIMATES.get(name)
        found = special(self, node, overload) if special is not None else None
        return found if found is not None else (ONE, None)

    def _compared(self, node: Call, overload: str) -> Range:
        one, other = node.args
        if one.type.same(other.type) and one.type.name in costs.OPAQUE_SCALARS:
            return ONE
        if node.function not in ("_==_", "_!=_") and not overload.endswith(("_string", "_bytes")):
            return ONE
        high = min(self.size_or_unknown(one).high, self.size_or_unknown(other).high)
        return Range(1 if high else 0, high).scaled(costs.TRAVERSAL)

    def sizes(self, node: Call) -> list[Range]:
        """Returns the sizes of the target, if there is one, and of the arguments."""
        return [self.size_or_unknown(one) for one in ([node.target] if node.target is not None else []) + node.args]
