"""Macros: calls that the parser replaces by other expressions, above all by loops (comprehensions)."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

from fairlead.cel.syntax import ACCUMULATOR, Bind, Call, Comprehension, Ident, ListNode, Literal, MapNode, Node, Select

Macro = Callable[[int, Node, list[Node]], Node]


class MacroError(Exception):
    """A macro was called with wrong arguments."""

    def __init__(self, at: int, text: str) -> None:
        super().__init__(text)
        self.at = at


def _has(at: int, args: list[Node]) -> Node:
    (arg,) = args
    if not isinstance(arg, Select) or arg.test or arg.optional:
        raise MacroError(arg.at, "invalid argument to has() macro")
    return Select(at, arg.operand, arg.field, test=True)


def _variables(args: list[Node], count: int) -> tuple[str, str]:
    names = []
    for arg in args[:count]:
        if not isinstance(arg, Ident):
            raise MacroError(
                arg.at, "argument must be a simple name" if count == 2 else "argument is not an identifier"
            )
        if arg.name in (ACCUMULATOR, "__result__"):
            raise MacroError(arg.at, "iteration variable overwrites accumulator variable")
        names.append(arg.name)
    if count == 2 and names[0] == names[1]:
        raise MacroError(args[1].at, f"duplicate variable name: {names[0]}")
    return names[0], names[1] if count == 2 else ""


def _quantifier(name: str, count: int) -> Macro:
    """Returns `all`, `exists` or `exists_one` with one or two variables."""

    def expand(at: int, target: Node, args: list[Node]) -> Node:
        variables, predicate = _variables(args, count), args[count]

        def accu() -> Node:
            return Ident(at, ACCUMULATOR)

        match name:
            case "all":
                parts: tuple[Node, Node, Node, Node] = (
                    Literal(at, True),
                    _not_false(at, accu()),
                    Call(at, "_&&_", [accu(), predicate]),
                    accu(),
                )
            case "exists":
                going = _not_false(at, Call(at, "!_", [accu()]))
                parts = (Literal(at, False), going, Call(at, "_||_", [accu(), predicate]), accu())
            case _:
                more = Call(at, "_+_", [accu(), Literal(at, 1)])
                step = Call(at, "_?_:_", [predicate, more, accu()])
                parts = (Literal(at, 0), Literal(at, True), step, Call(at, "_==_", [accu(), Literal(at, 1)]))
        return Comprehension(at, target, variables, parts)

    return expand


def _not_false(at: int, node: Node) -> Node:
    return Call(at, "@not_strictly_false", [node])


def _collect(at: int, target: Node, variables: tuple[str, str], grow: Node, only: Node | None) -> Node:
    """Returns a loop that collects values in a list or a map; `only` says for which items."""
    init: Node = ListNode(at, []) if isinstance(grow, Call) and grow.function == "_+_" else MapNode(at, [])
    step = grow if only is None else Call(at, "_?_:_", [only, grow, Ident(at, ACCUMULATOR)])
    return Comprehension(at, target, variables, (init, Literal(at, True), step, Ident(at, ACCUMULATOR)))


def _append(at: int, item: Node) -> Node:
    return Call(at, "_+_", [Ident(at, ACCUMULATOR), ListNode(at, [item])])


def _filter(at: int, target: Node, args: list[Node]) -> Node:
    variables = _variables(args, 1)
    return _collect(at, target, variables, _append(at, args[0]), args[1])


def _map(at: int, target: Node, args: list[Node]) -> Node:
    variables = _variables(args, 1)
    return _collect(at, target, variables, _append(at, args[-1]), args[1] if len(args) == 3 else None)


def _transform_list(at: int, target: Node, args: list[Node]) -> Node:
    variables = _variables(args, 2)
    return _collect(at, target, variables, _append(at, args[-1]), args[2] if len(args) == 4 else None)


def _transform_map(at: int, target: Node, args: list[Node]) -> Node:
    variables = _variables(args, 2)
    grow = Call(at, "cel.@mapInsert", [Ident(at, ACCUMULATOR), Ident(at, variables[0]), args[-1]])
    return _collect(at, target, variables, grow, args[2] if len(args) == 4 else None)


def _transform_map_entry(at: int, target: Node, args: list[Node]) -> Node:
    variables = _variables(args, 2)
    grow = Call(at, "cel.@mapInsert", [Ident(at, ACCUMULATOR), args[-1]])
    return _collect(at, target, variables, grow, args[2] if len(args) == 4 else None)


def _opt_map(at: int, target: Node, args: list[Node]) -> Node:
    return _on_value(at, target, args, "optMap", lambda body: Call(at, "optional.of", [body]))


def _opt_flat_map(at: int, target: Node, args: list[Node]) -> Node:
    return _on_value(at, target, args, "optFlatMap", lambda body: body)


def _on_value(at: int, target: Node, args: list[Node], macro: str, wrap: Callable[[Node], Node]) -> Node:
    name = args[0]
    if not isinstance(name, Ident):
        raise MacroError(name.at, f"{macro}() variable name must be a simple identifier")
    value = Call(at, "value", [], deepcopy(target))
    body = wrap(Bind(at, name.name, value, args[1]))
    return Call(at, "_?_:_", [Call(at, "hasValue", [], target), body, Call(at, "optional.none", [])])


def _sort_by(at: int, target: Node, args: list[Node]) -> Node:
    name = "@__sortBy_input__"
    keys = _map(at, Ident(at, name), args)
    return Bind(at, name, target, Call(at, "@sortByAssociatedKeys", [keys], Ident(at, name)))


GLOBAL_MACROS: dict[tuple[str, int], Callable[[int, list[Node]], Node]] = {("has", 1): _has}

MACROS: dict[tuple[str, int], Macro] = {
    ("all", 2): _quantifier("all", 1),
    ("exists", 2): _quantifier("exists", 1),
    ("exists_one", 2): _quantifier("exists_one", 1),
    ("existsOne", 2): _quantifier("exists_one", 1),
    ("filter", 2): _filter,
    ("map", 2): _map,
    ("map", 3): _map,
    ("all", 3): _quantifier("all", 2),
    ("exists", 3): _quantifier("exists", 2),
    ("exists_one", 3): _quantifier("exists_one", 2),
    ("existsOne", 3): _quantifier("exists_one", 2),
    ("transformList", 3): _transform_list,
    ("transformList", 4): _transform_list,
    ("transformMap", 3): _transform_map,
    ("transformMap", 4): _transform_map,
    ("transformMapEntry", 3): _transform_map_entry,
    ("transformMapEntry", 4): _transform_map_entry,
    ("optMap", 2): _opt_map,
    ("optFlatMap", 2): _opt_flat_map,
    ("sortBy", 2): _sort_by,
}
"""Macros by name and number of arguments."""
