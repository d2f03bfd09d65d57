"""Compiles a checked syntax tree to closures that evaluate it, and counts the cost while they run.

Costs are those of cel-go, which upstream limits: an identifier, a field or an index cost 1, a new list 10, a new map
30; calls by their arguments (`costs`). Loops of the macros change one list in place, so that `map` over n items
takes n steps.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from fairlead.cel import costs, values
from fairlead.cel.errors import CostExceededError, EvaluationError, no_overload
from fairlead.cel.functions import Functions, Overload
from fairlead.cel.syntax import (
    Bind,
    Call,
    Comprehension,
    Entry,
    Ident,
    ListNode,
    Literal,
    MapNode,
    Node,
    Select,
    StructNode,
)
from fairlead.cel.types import Type
from fairlead.cel.values import NONE, MapList, Optional, SetList, Struct


class Frame:
    """One evaluation: the values of variables and the cost that is left."""

    __slots__ = ("left", "variables")

    def __init__(self, variables: Mapping[str, Any], limit: int) -> None:
        self.variables = dict(variables)
        self.left = limit

    def charge(self, cost: int) -> None:
        self.left -= cost
        if self.left < 0:
            raise CostExceededError


Evaluate = Callable[[Frame], Any]
Invoke = Callable[[Frame, tuple[Any, ...]], Any]
_TOO_LARGE = 1 << 63
_INTEGERS: Mapping[str, Callable[[int, int], Any]] = {
    "_+_": operator.add,
    "_-_": operator.sub,
    "_<_": operator.lt,
    "_<=_": operator.le,
    "_>_": operator.gt,
    "_>=_": operator.ge,
}
_CONVERSIONS = frozenset(("bool", "bytes", "double", "duration", "int", "string", "timestamp", "uint"))
_INTEGER_IDS = frozenset(
    ("add_int64", "subtract_int64", "less_int64", "less_equals_int64", "greater_int64", "greater_equals_int64")
)


class Compiler:
    """Compiles trees to closures."""

    def __init__(self, functions: Functions, structs: Mapping[str, Type]) -> None:
        self.functions = functions
        self.structs = structs

    def compile(self, node: Node) -> Evaluate:
        match node:
            case Literal():
                value = node.value
                return lambda frame: value
            case Ident():
                return _ident(node)
            case Select():
                return self._select(node)
            case Call():
                return self._call(node)
            case ListNode():
                return self._list(node)
            case MapNode():
                return self._map(node)
            case StructNode():
                return self._struct(node)
            case Comprehension():
                return _Loop(self, node).run
            case Bind():
                return self._bind(node)
            case _:
                raise TypeError(type(node).__name__)

    def _select(self, node: Select) -> Evaluate:
        if not node.field:
            return self.compile(node.operand)  # the name of a type
        operand, key = self.compile(node.operand), node.key
        absent_null = node.operand.type.kind != "map"  # a field of a struct that is null is absent
        if node.test:
            return lambda frame: _has(operand(frame), key, absent_null)
        if node.optional:
            return lambda frame: _optional_item(frame, operand(frame), key)

        def select(frame: Frame) -> Any:
            value = operand(frame)
            if isinstance(value, Optional):
                return _optional_item(frame, value, key)
            frame.charge(1)
            found = _field(value, key)
            if found is None and absent_null:
                raise EvaluationError(f"no such key: {key}")
            return found

        return select

    def _list(self, node: ListNode) -> Evaluate:
        known = self._known(node)
        if known is not _MISSING:
            return lambda frame: known
        items, optional = [self.compile(item) for item in node.items], node.optional

        def make(frame: Frame) -> list[Any]:
            found = []
            for at, item in enumerate(items):
                value = item(frame)
                if at in optional:
                    if not _given(value).has:
                        continue
                    value = value.inner
                found.append(value)
            frame.charge(costs.LIST)
            return found

        return make

    def _known(self, node: Node) -> Any:
        """Returns the value of literals, of lists and maps of literals, and of conversions of literals, which cost
        nothing; `_MISSING` for any other expression."""
        if isinstance(node, Literal):
            return node.value
        if isinstance(node, ListNode) and not node.optional:
            items = [self._known(item) for item in node.items]
            return _MISSING if any(item is _MISSING for item in items) else items
        if isinstance(node, MapNode) and not any(entry.optional for entry in node.entries):
            pairs = [(self._known(entry.key), self._known(entry.value)) for entry in node.entries]
            if any(key is _MISSING or value is _MISSING or not isinstance(key, str) for key, value in pairs):
                return _MISSING
            return dict(pairs) if len(dict(pairs)) == len(pairs) else _MISSING
        if isinstance(node, Call) and node.function in _CONVERSIONS and isinstance(node.args[0], Literal):
            try:
                return _apply(node.overloads, (node.args[0].value,))
            except EvaluationError:
                return _MISSING
        return _MISSING

    def _entries(self, entries: list[Entry], keys: list[Evaluate] | None) -> Callable[[Frame], dict[Any, Any]]:
        found = [(self.compile(entry.value), entry.optional) for entry in entries]

        def make(frame: Frame) -> dict[Any, Any]:
            made: dict[Any, Any] = {}
            for at, (value_of, optional) in enumerate(found):
                key = keys[at](frame) if keys is not None else entries[at].key
                value = value_of(frame)
                if optional:
                    if not _given(value).has:
                        continue
                    value = value.inner
                _insert(made, key, value)
            return made

        return make

    def _map(self, node: MapNode) -> Evaluate:
        known = self._known(node)
        if known is not _MISSING:
            return lambda frame: known
        make = self._entries(node.entries, [self.compile(entry.key) for entry in node.entries])

        def evaluate(frame: Frame) -> dict[Any, Any]:
            made = make(frame)
            frame.charge(costs.MAP)
            return made

        return evaluate

    def _struct(self, node: StructNode) -> Evaluate:
        type = self.structs[node.name]
        make = self._entries(node.entries, None)

        def evaluate(frame: Frame) -> Struct:
            made = make(frame)
            frame.charge(costs.STRUCT)
            return Struct(type, {type.fields[name].key: value for name, value in made.items()})

        return evaluate

    def _bind(self, node: Bind) -> Evaluate:
        value, body, name = self.compile(node.value), self.compile(node.body), node.name

        def evaluate(frame: Frame) -> Any:
            bound = value(frame)
            before = frame.variables
            frame.variables = {**before, name: bound}
            try:
                return body(frame)
            finally:
                frame.variables = before

        return evaluate

    def _call(self, node: Call) -> Evaluate:
        nodes = ([node.target] if node.target is not None else []) + node.args
        args = [self.compile(arg) for arg in nodes]
        if node.function == "_?_:_":
            return _conditional(args[0], _branch(node.args[1], args[1]), _branch(node.args[2], args[2]))
        if node.function == "@in" and self._known(node.args[1]) is not _MISSING:
            return _free(args, node.overloads)
        if node.function == "_[_]":
            return _indexed(args[0], _branch(node.args[1], args[1]))
        special = _SPECIAL.get(node.function)
        if special is not None:
            return special(*args)
        known = self._known(node)
        if known is not _MISSING:
            return lambda frame: known
        overloads = node.overloads or list(self.functions.get(node.function, ()))
        return _invoke(node.function, overloads, args)


def _invoke(name: str, overloads: list[Overload], args: list[Evaluate]) -> Evaluate:
    ids = {overload.id for overload in overloads}
    fast = _INTEGERS.get(name)
    if fast is not None and len(args) == 2 and ids & _INTEGER_IDS:
        return _integers(fast, args[0], args[1], _invoke_any(name, overloads))
    invoke = _invoke_any(name, overloads)
    return lambda frame: invoke(frame, tuple([arg(frame) for arg in args]))


def _integers(compute: Callable[[int, int], Any], left: Evaluate, right: Evaluate, otherwise: Invoke) -> Evaluate:
    """Returns an operator that needs no choice of overload for two integers, which most operands are."""

    def evaluate(frame: Frame) -> Any:
        one, other = left(frame), right(frame)
        if type(one) is int and type(other) is int:
            value = compute(one, other)
            if -_TOO_LARGE <= value < _TOO_LARGE:
                frame.left -= 1
                return value
        return otherwise(frame, (one, other))

    return evaluate


def _invoke_any(name: str, overloads: list[Overload]) -> Invoke:
    sure = overloads[0] if len(overloads) == 1 else None
    cost_of = costs.call_cost

    def invoke(frame: Frame, given: tuple[Any, ...]) -> Any:
        for overload in (sure,) if sure is not None else overloads:
            if overload is not None and overload.accepts(given):
                result = overload.call(*given)
                frame.charge(cost_of(name, overload.id, given, result))
                return result
        raise no_overload()

    return invoke


def _ident(node: Ident) -> Evaluate:
    name, constant = node.name, node.constant
    if constant is not None:
        return lambda frame: constant

    def ident(frame: Frame) -> Any:
        frame.charge(1)
        try:
            value = frame.variables[name]
        except KeyError:
            raise EvaluationError(f"no such attribute(s): {name}") from None
        if callable(value):  # a variable whose value is computed on its first use
            value = frame.variables[name] = value()
        return value

    return ident


def _field(value: Any, key: Any) -> Any:
    if isinstance(value, Mapping):
        found = value.get(key, _MISSING)
        if found is _MISSING:
            raise EvaluationError(f"no such key: {key}")
        return found
    raise no_overload()


def _has(value: Any, key: str, absent_null: bool) -> bool:
    if isinstance(value, Optional):
        return value.has and _has(value.inner, key, absent_null)
    if isinstance(value, Mapping):
        return value.get(key) is not None if absent_null else key in value
    raise no_overload()


def _given(value: Any) -> Optional:
    if not isinstance(value, Optional):
        raise no_overload()
    return value


def _index(frame: Frame, value: Any, index: Any) -> Any:
    if isinstance(value, Optional):
        return _optional_item(frame, value, index)
    frame.charge(1)
    if isinstance(value, list | tuple):
        at = _position(index)
        if not 0 <= at < len(value):
            raise EvaluationError(f"index out of bounds: {at}")
        return value[at]
    return _field(value, _key(index))


def _optional_item(frame: Frame, value: Any, index: Any) -> Optional:
    if isinstance(value, Optional):
        if not value.has:
            return NONE
        value = value.inner
    if isinstance(value, list | tuple):
        at = _position(index)
        found = value[at] if 0 <= at < len(value) else _MISSING
    elif isinstance(value, Mapping):
        found = value.get(_key(index), _MISSING)
    else:
        raise no_overload()
    if found is _MISSING:
        return NONE
    frame.charge(1)
    return Optional(found)


def _position(index: Any) -> int:
    if values.is_number(index) and index == int(index):
        return int(index)
    raise EvaluationError(f"unsupported index type '{values.type_of(index)}' in list")


def _key(index: Any) -> Any:
    # Python's dict does not tell true and 1 apart; JSON has string keys only.
    if isinstance(index, str | bool) or values.is_number(index):
        return index
    raise EvaluationError(f"unsupported key type: {values.type_of(index)}")


def _insert(made: dict[Any, Any], key: Any, value: Any) -> None:
    if _key(key) in made:
        raise EvaluationError(f"insert failed: key {key} already exists")
    made[key] = value


def _and(left: Evaluate, right: Evaluate) -> Evaluate:
    return _short_circuit(left, right, decisive=False)


def _or(left: Evaluate, right: Evaluate) -> Evaluate:
    return _short_circuit(left, right, decisive=True)


def _short_circuit(left: Evaluate, right: Evaluate, *, decisive: bool) -> Evaluate:
    """Returns `&&` or `||`: the decisive value of either side makes up for an error of the other."""

    def evaluate(frame: Frame) -> bool:
        problem: EvaluationError | None = None
        for side in (left, right):
            try:
                value = side(frame)
            except EvaluationError as e:
                problem = problem or e
                continue
            if value is decisive:
                return bool(value)
            if not isinstance(value, bool):
                problem = problem or no_overload()
        if problem is not None:
            raise problem
        return not decisive

    return evaluate


def _branch(node: Node, evaluate: Evaluate) -> Evaluate:
    """Returns a branch of `?:`. If it is a variable or a field, the name of the variable costs nothing."""
    root = node
    while isinstance(root, Select) or (isinstance(root, Call) and root.function == "_[_]"):
        root = root.operand if isinstance(root, Select) else root.args[0]
    if not isinstance(root, Ident):
        return evaluate

    def branch(frame: Frame) -> Any:
        frame.left += 1
        return evaluate(frame)

    return branch


def _free(args: list[Evaluate], overloads: list[Overload]) -> Evaluate:
    """Returns a call without cost: `in` with a list of literals."""
    return lambda frame: _apply(overloads, tuple([arg(frame) for arg in args]))


def _apply(overloads: list[Overload], given: tuple[Any, ...]) -> Any:
    for overload in overloads:
        if overload.accepts(given):
            return overload.call(*given)
    raise no_overload()


def _indexed(value: Evaluate, index: Evaluate) -> Evaluate:
    return lambda frame: _index(frame, value(frame), index(frame))


def _conditional(condition: Evaluate, yes: Evaluate, no: Evaluate) -> Evaluate:
    def evaluate(frame: Frame) -> Any:
        value = condition(frame)
        if not isinstance(value, bool):
            raise no_overload()
        return yes(frame) if value else no(frame)

    return evaluate


def _equals(left: Evaluate, right: Evaluate, *, negate: bool = False) -> Evaluate:
    name = "_!=_" if negate else "_==_"

    def evaluate(frame: Frame) -> bool:
        one, other = left(frame), right(frame)
        frame.charge(costs.call_cost(name, "", (one, other), None))
        return values.equal(one, other) is not negate

    return evaluate


def _optional_or(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(frame: Frame) -> Any:
        value = _given(left(frame))
        return value if value.has else right(frame)

    return evaluate


def _or_value(left: Evaluate, right: Evaluate) -> Evaluate:
    def evaluate(frame: Frame) -> Any:
        value = _given(left(frame))
        return value.inner if value.has else right(frame)

    return evaluate


_SPECIAL: Mapping[str, Callable[..., Evaluate]] = {
    "_&&_": _and,
    "_||_": _or,
    "_==_": _equals,
    "_!=_": lambda left, right: _equals(left, right, negate=True),
    "_[?_]": lambda value, index: lambda frame: _optional_item(frame, value(frame), index(frame)),
    "or": _optional_or,
    "orValue": _or_value,
}
"""Functions that do not need all of their arguments, or whose overloads make no difference."""


class _Loop:
    """A comprehension."""

    def __init__(self, compiler: Compiler, node: Comprehension) -> None:
        self.node = node
        self.within = compiler.compile(node.within)
        self.init = compiler.compile(node.init)
        self.condition = compiler.compile(node.condition)
        self.step = compiler.compile(node.step)
        self.result = compiler.compile(node.result)
        self.collects = isinstance(node.init, ListNode | MapNode)
        if self.collects:
            self.step = self._grow(compiler, node.step)

    def run(self, frame: Frame) -> Any:
        items = self._items(self.within(frame))
        accu, before = self.init(frame), frame.variables
        if self.collects:
            accu = accu.copy()  # steps change the collection in place
        variables = frame.variables = {**before, self.node.accu: accu}
        name, name2, accu_name = self.node.var, self.node.var2, self.node.accu
        problem: EvaluationError | None = None
        try:
            for one, other in items:
                variables[accu_name] = accu
                if not self._goes_on(frame, problem):
                    break
                variables[name] = one
                if name2:
                    variables[name2] = other
                accu, problem = self._step(frame, accu, problem)
            if problem is not None:
                raise problem
            variables[accu_name] = accu
            return self.result(frame)
        finally:
            frame.variables = before

    def _items(self, value: Any) -> Any:
        two = bool(self.node.var2)
        if isinstance(value, list | tuple):
            return enumerate(value) if two else ((one, None) for one in value)
        if isinstance(value, Mapping):
            return value.items() if two else ((one, None) for one in value)
        raise no_overload()

    def _goes_on(self, frame: Frame, problem: EvaluationError | None) -> bool:
        """Evaluates the condition; an error of a step before does not end a quantifier, as the next item may decide."""
        if problem is None:
            return bool(self.condition(frame))
        frame.charge(2)
        return True

    def _step(self, frame: Frame, accu: Any, problem: EvaluationError | None) -> tuple[Any, EvaluationError | None]:
        try:
            value = self.step(frame)
        except EvaluationError as e:
            if not isinstance(self.node.init, Literal) or not isinstance(self.node.init.value, bool):
                raise
            return accu, problem or e
        if problem is not None and value is accu:
            return accu, problem
        return value, None

    def _grow(self, compiler: Compiler, step: Node) -> Evaluate:
        """Returns the step of a loop that collects values, as one that changes the collection in place."""
        if isinstance(step, Call) and step.function == "_?_:_":
            condition, grow = compiler.compile(step.args[0]), self._grow(compiler, step.args[1])
            return _conditional(condition, grow, _branch(step.args[2], compiler.compile(step.args[2])))
        assert isinstance(step, Call)
        accu = compiler.compile(step.args[0])
        if step.function == "_+_":
            item = compiler.compile(step.args[1])

            def append(frame: Frame) -> Any:
                found = accu(frame)
                found += item(frame)
                frame.charge(1)
                return found

            return append
        parts = [compiler.compile(arg) for arg in step.args[1:]]

        def insert(frame: Frame) -> Any:
            found, given = accu(frame), [part(frame) for part in parts]
            for key, value in [given] if len(given) == 2 else given[0].items():
                _insert(found, key, value)
            frame.charge(1)
            return found

        return insert


_MISSING = object()

__all__ = ["Compiler", "Evaluate", "Frame", "MapList", "SetList"]
