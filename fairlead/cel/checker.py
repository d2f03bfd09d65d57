"""Checks the types of an expression: every name is declared, every call has an overload that fits.

The checker notes types, overloads and keys on the nodes of the tree. Texts of problems are those of cel-go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from fairlead.cel import types
from fairlead.cel.errors import CompileError, Problem
from fairlead.cel.functions import Functions, Overload
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
    qualified_name,
)
from fairlead.cel.types import BOOL, DYN, ERROR, Bindings, Type, is_dyn, list_of, map_of, most_general, unwrapped
from fairlead.cel.values import type_of


class Checker:
    """Checks one expression against declared variables, functions and struct types."""

    def __init__(
        self, variables: Mapping[str, Type], functions: Functions, structs: Mapping[str, Type] | None = None
    ) -> None:
        self.variables = dict(variables)
        self.functions = functions
        self.structs = structs or {}
        self.bindings = Bindings()
        self.problems: list[Problem] = []
        self.nodes: list[Node] = []

    def check(self, source: str, node: Node) -> Type:
        """Returns the type of the expression. Raises CompileError."""
        self._check(node)
        if self.problems:
            raise CompileError(source, self.problems)
        for one in self.nodes:
            one.type = self.bindings.resolve(one.type, final=True)
        return node.type

    def _problem(self, node: Node, text: str) -> Type:
        self.problems.append(Problem(node.at, text))
        return ERROR

    def _check(self, node: Node) -> Type:
        node.type = self._type(node)
        self.nodes.append(node)
        return node.type

    def _type(self, node: Node) -> Type:
        match node:
            case Literal():
                return type_of(node.value)
            case Ident():
                return self._ident(node, node.name)
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
                return self._comprehension(node)
            case Bind():
                value = self._check(node.value)
                with self._scope({node.name: value}):
                    return self._check(node.body)
            case _:
                raise TypeError(type(node).__name__)

    # Names and fields

    def _ident(self, node: Ident, name: str) -> Type:
        found = self.variables.get(name)
        if found is not None:
            return found
        named = _NAMED.get(name) or self.structs.get(name)
        if named is not None:
            node.constant = named
            return Type("type", params=(named,))
        return self._undeclared(node, name)

    def _undeclared(self, node: Node, name: str) -> Type:
        return self._problem(node, f"undeclared reference to '{name}' (in container '')")

    def _select(self, node: Select) -> Type:
        name = qualified_name(node)
        if name and name in self.variables:
            node.operand = Ident(node.at, name)
            node.operand.type = self.variables[name]
            node.field = ""
            return self.variables[name]
        if name and name in _NAMED:
            node.operand = Ident(node.at, name)
            node.operand.constant = _NAMED[name]
            node.field = ""
            return Type("type", params=(_NAMED[name],))
        found = self._field(node)
        if node.test:
            return BOOL
        return self.bindings.resolve(found)

    def _field(self, node: Select) -> Type:
        operand, was_optional = unwrapped(self.bindings.resolve(self._check(node.operand)))
        if operand.kind == "map":
            found = operand.params[1]
        elif operand.kind == "struct":
            field = operand.fields.get(node.field) or operand.fields.get(f"__{node.field}__")
            if field is None:
                return self._problem(node, f"undefined field '{node.field}'")
            node.key, found = field.key, field.type
        elif operand.kind == "param":
            self.bindings.assignable((DYN,), (operand,))
            found = DYN
        else:
            if not is_dyn(operand):
                self._problem(node, f"type '{operand}' does not support field selection")
            found = DYN
        return types.optional_of(found) if was_optional or node.optional else found

    # Calls

    def _call(self, node: Call) -> Type:
        for arg in node.args:
            self._check(arg)
        if node.target is not None:
            prefix = qualified_name(node.target)
            name = f"{prefix}.{node.function}"
            if prefix and name in self.functions:
                node.function, node.target = name, None
            else:
                self._check(node.target)
        overloads = self.functions.get(node.function)
        if overloads is None:
            return self._undeclared(node, node.function)
        if node.function in ("_&&_", "_||_"):
            return self._logical(node, overloads)
        return self._resolve(node, overloads)

    def _logical(self, node: Call, overloads: tuple[Overload, ...]) -> Type:
        node.overloads = list(overloads)
        found = BOOL
        for arg in node.args:
            if not self.bindings.assignable((arg.type,), (BOOL,)):
                found = self._problem(arg, f"expected type 'bool' but found '{self.bindings.resolve(arg.type)}'")
        return found

    def _resolve(self, node: Call, overloads: tuple[Overload, ...]) -> Type:
        given = tuple(arg.type for arg in ([node.target] if node.target is not None else []) + node.args)
        result: Type | None = None
        for overload in overloads:
            if overload.member != (node.target is not None):
                continue
            *expected, own_result = self.bindings.instantiate((*overload.args, overload.result))
            if not self.bindings.assignable(given, tuple(expected)):
                continue
            node.overloads.append(overload)
            own_result = self.bindings.resolve(own_result)
            if result is None:
                result = own_result
            elif result.kind != "dyn" and not own_result.same(result):
                result = DYN
        if result is None:
            return self._no_overload(node, given)
        return result

    def _no_overload(self, node: Call, given: tuple[Type, ...]) -> Type:
        shown = [str(self.bindings.resolve(type, final=True)) for type in given]
        target = "" if node.target is None else f"{shown.pop(0)}."
        signature = f"{target}({', '.join(shown)})"
        return self._problem(node, f"found no matching overload for '{node.function}' applied to '{signature}'")

    # Literals of lists, maps and structs

    def _list(self, node: ListNode) -> Type:
        items: Type | None = None
        for at, item in enumerate(node.items):
            items = self._joined(items, self._given(item, optional=at in node.optional))
        return list_of(items if items is not None else self.bindings.fresh())

    def _map(self, node: MapNode) -> Type:
        keys: Type | None = None
        found: Type | None = None
        for entry in node.entries:
            keys = self._joined(keys, self._check(entry.key))
            found = self._joined(found, self._given(entry.value, optional=entry.optional))
        if keys is None or found is None:
            return map_of(self.bindings.fresh(), self.bindings.fresh())
        return map_of(keys, found)

    def _given(self, node: Node, *, optional: bool) -> Type:
        """Returns the type of an item, within the optional type if it is an optional item."""
        type = self._check(node)
        if not optional:
            return type
        inner, was_optional = unwrapped(self.bindings.resolve(type))
        if not was_optional and not is_dyn(inner):
            self._problem(node, f"expected type '{types.optional_of(inner)}' but found '{inner}'")
        return inner

    def _joined(self, before: Type | None, now: Type) -> Type:
        if before is None:
            return now
        if self.bindings.assignable((before,), (now,)):
            return most_general(before, now)
        return DYN

    def _struct(self, node: StructNode) -> Type:
        type = self.structs.get(node.name)
        if type is None:
            return self._undeclared(node, node.name)
        for entry in node.entries:
            given = self._given(entry.value, optional=entry.optional)
            field = type.fields.get(entry.key)
            if field is None:
                self.problems.append(Problem(entry.at, f"undefined field '{entry.key}'"))
            elif not self.bindings.assignable((field.type,), (given,)):
                shown = self.bindings.resolve(given)
                text = f"expected type of field '{entry.key}' is '{field.type}' but provided type is '{shown}'"
                self.problems.append(Problem(entry.at, text))
        return type

    # Loops

    def _comprehension(self, node: Comprehension) -> Type:
        self._check(node.within)
        accu = self._check(node.init)
        variables = self._loop_variables(node, self.bindings.resolve(node.within.type))
        with self._scope({node.accu: accu}):
            with self._scope(variables):
                self._check(node.condition)
                self._expect(node.condition, BOOL)
                self._check(node.step)
                self._expect(node.step, accu)
            self._check(node.result)
        return self.bindings.resolve(node.result.type)

    def _loop_variables(self, node: Comprehension, within: Type) -> dict[str, Type]:
        two = bool(node.var2)
        if within.kind == "list":
            item = within.params[0]
            return {node.var: types.INT, node.var2: item} if two else {node.var: item}
        if within.kind == "map":
            key, value = within.params
            return {node.var: key, node.var2: value} if two else {node.var: key}
        if within.kind in ("dyn", "error", "param"):
            self.bindings.assignable((DYN,), (within,))
            found = DYN
        else:
            text = f"expression of type '{within}' cannot be range of a comprehension (must be list, map, or dynamic)"
            found = self._problem(node.within, text)
        return {node.var: found, node.var2: found} if two else {node.var: found}

    def _expect(self, node: Node, expected: Type) -> None:
        if not self.bindings.assignable((expected,), (node.type,)):
            resolved = self.bindings.resolve
            self._problem(node, f"expected type '{resolved(expected)}' but found '{resolved(node.type)}'")

    @contextmanager
    def _scope(self, more: Mapping[str, Type]) -> Iterator[None]:
        before = self.variables
        self.variables = {**before, **more}
        try:
            yield
        finally:
            self.variables = before


_NAMED = types.named_types()
