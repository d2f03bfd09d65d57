"""Checks literals after the types are known: patterns and times that functions would refuse at each evaluation, and
lists and maps of mixed types, which are allowed as arguments of `format` only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fairlead.cel.errors import CompileError, EvaluationError, Problem, ProgramError
from fairlead.cel.libraries.standard import to_duration, to_timestamp
from fairlead.cel.regexes import compile_pattern
from fairlead.cel.syntax import Call, ListNode, Literal, MapNode, Node
from fairlead.cel.types import Type, is_dyn, unwrapped
from fairlead.cel.walking import children, walk

_CHECKS: dict[str, tuple[int, Callable[[Any], Any]]] = {
    "matches": (-1, compile_pattern),
    "duration": (0, to_duration),
    "timestamp": (0, to_timestamp),
}
"""The functions with the position of the argument that is checked."""


def _accepted(check: Callable[[Any], Any], value: Any) -> bool:
    try:
        check(value)
    except (ValueError, EvaluationError):
        return False
    return True


def check_literals(source: str, node: Node) -> None:
    """Raises CompileError for a wrong literal."""
    problems = list(_mixed(node))
    patterns = []
    for call in walk(node):
        if not isinstance(call, Call) or not call.args:
            continue
        at, check = _CHECKS.get(call.function, (0, None))
        arg = call.args[at]
        if not isinstance(arg, Literal):
            continue
        if check is not None and not _accepted(check, arg.value):
            problems.append(Problem(arg.at, f"invalid {call.function} argument"))
        elif call.function in ("find", "findAll") and isinstance(arg.value, str):
            patterns.append(arg.value)
    if problems:
        raise CompileError(source, problems)
    for pattern in patterns:
        try:
            compile_pattern(pattern)
        except ValueError as e:
            raise ProgramError(f"program instantiation failed: {e}") from None


def _mixed(node: Node) -> Iterator[Problem]:
    if isinstance(node, Call) and node.function == "format":
        return
    if isinstance(node, ListNode):
        yield from _different(node.items, [at in node.optional for at in range(len(node.items))])
    elif isinstance(node, MapNode):
        yield from _different([entry.key for entry in node.entries], [False] * len(node.entries))
        yield from _different([entry.value for entry in node.entries], [e.optional for e in node.entries])
    for child in children(node):
        yield from _mixed(child)


def _different(nodes: Sequence[Node], optional: Sequence[bool]) -> Iterator[Problem]:
    """Yields a problem for the first expression whose type is another one than that of the first."""
    types = [unwrapped(node.type)[0] if inner else node.type for node, inner in zip(nodes, optional, strict=True)]
    for node, type in zip(nodes, types, strict=True):
        if not _equivalent(types[0], type):
            yield Problem(node.at, f"expected type '{types[0]}' but found '{type}'")
            return


def _equivalent(one: Type, other: Type) -> bool:
    if is_dyn(one) or is_dyn(other):
        return one.kind == other.kind
    return one.name == other.name and all(map(_equivalent, one.params, other.params))
