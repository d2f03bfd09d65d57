"""Compiles a checked syntax tree to closures that evaluate it, and counts the cost while they run.

Costs are those of cel-go, which upstream limits: an identifier, a field or an index cost 1, a new list 10, a new map
30; calls by their arguments (`costs`). Loops of the macros change one list in place, so that `map` over n items
takes n steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fairlead.cel import costs
from fairlead.cel.errors import EvaluationError, no_overload
from fairlead.cel.frames import Evaluate, Frame
from fairlead.cel.functions import Functions
from fairlead.cel.operators import (
    MISSING,
    SPECIAL,
    add_entry,
    as_optional,
    branch,
    call_first,
    conditional,
    field_of,
    free_call,
    has_key,
    identifier,
    indexed,
    invocation,
    optional_item,
)
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
from fairlead.cel.values import Optional, Struct

_CONVERSIONS = frozenset(("bool", "bytes", "double", "duration", "int", "string", "timestamp", "uint"))


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
                return identifier(node)
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
            return lambda frame: has_key(operand(frame), key, absent_null)
        if node.optional:
            return lambda frame: optional_item(frame, operand(frame), key)

        def select(frame: Frame) -> Any:
            value = operand(frame)
            if isinstance(value, Optional):
                return optional_item(frame, value, key)
            frame.charge(1)
            found = field_of(value, key)
            if found is None and absent_null:
                raise EvaluationError(f"no such key: {key}")
            return found

        return select

    def _list(self, node: ListNode) -> Evaluate:
        known = self._known(node)
        if known is not MISSING:
            return lambda frame: known
        items, optional = [self.compile(item) for item in node.items], node.optional

        def make(frame: Frame) -> list[Any]:
            found = []
            for at, item in enumerate(items):
                value = item(frame)
                if at in optional:
                    if not as_optional(value).has:
                        continue
                    value = value.inner
                found.append(value)
            frame.charge(costs.LIST)
            return found

        return make

    def _known(self, node: Node) -> Any:
        """Returns the value of literals, of lists and maps of literals, and of conversions of literals, which cost
        nothing; `MISSING` for any other expression."""
        if isinstance(node, Literal):
            return node.value
        if isinstance(node, ListNode) and not node.optional:
            items = [self._known(item) for item in node.items]
            return MISSING if any(item is MISSING for item in items) else items
        if isinstance(node, MapNode) and not any(entry.optional for entry in node.entries):
            pairs = [(self._known(entry.key), self._known(entry.value)) for entry in node.entries]
            if any(key is MISSING or value is MISSING or not isinstance(key, str) for key, value in pairs):
                return MISSING
            return dict(pairs) if len(dict(pairs)) == len(pairs) else MISSING
        if isinstance(node, Call) and node.function in _CONVERSIONS and isinstance(node.args[0], Literal):
            try:
                return call_first(node.overloads, (node.args[0].value,))
            except EvaluationError:
                return MISSING
        return MISSING

    def _entries(self, entries: list[Entry], keys: list[Evaluate] | None) -> Callable[[Frame], dict[Any, Any]]:
        found = [(self.compile(entry.value), entry.optional) for entry in entries]

        def make(frame: Frame) -> dict[Any, Any]:
            made: dict[Any, Any] = {}
            for at, (value_of, optional) in enumerate(found):
                key = keys[at](frame) if keys is not None else entries[at].key
                value = value_of(frame)
                if optional:
                    if not as_optional(value).has:
                        continue
                    value = value.inner
                add_entry(made, key, value)
            return made

        return make

    def _map(self, node: MapNode) -> Evaluate:
        known = self._known(node)
        if known is not MISSING:
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
            return conditional(args[0], branch(node.args[1], args[1]), branch(node.args[2], args[2]))
        if node.function == "@in" and self._known(node.args[1]) is not MISSING:
            return free_call(args, node.overloads)
        if node.function == "_[_]":
            return indexed(args[0], branch(node.args[1], args[1]))
        special = SPECIAL.get(node.function)
        if special is not None:
            return special(*args)
        known = self._known(node)
        if known is not MISSING:
            return lambda frame: known
        overloads = node.overloads or list(self.functions.get(node.function, ()))
        return invocation(node.function, overloads, args)


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
            return conditional(condition, grow, branch(step.args[2], compiler.compile(step.args[2])))
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
                add_entry(found, key, value)
            frame.charge(1)
            return found

        return insert
