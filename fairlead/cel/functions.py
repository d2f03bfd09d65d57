"""Declarations of functions: name, overloads with their types, and what computes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from fairlead.base.dataclass import dataclass
from fairlead.cel import values
from fairlead.cel.types import Type, parse_signature

Implementation = Callable[..., Any]


@dataclass(frozen=True, slots=True, eq=False)
class Overload:
    """One form of a function. A member is called on a target (`x.f()`), which is its first argument."""

    name: str
    id: str
    args: tuple[Type, ...]
    result: Type
    member: bool
    call: Implementation

    def accepts(self, args: tuple[Any, ...]) -> bool:
        """Returns whether the values fit the types of the arguments."""
        return len(args) == len(self.args) and all(map(_fits, self.args, args))


Functions = Mapping[str, tuple[Overload, ...]]


def function(name: str, id: str, signature: str, call: Implementation) -> Overload:
    """Declares a function `name(...)`; the signature reads `string, int -> bool`."""
    args, result = parse_signature(signature)
    return Overload(name, id, args, result, False, call)


def member(name: str, id: str, signature: str, call: Implementation) -> Overload:
    """Declares a function `target.name(...)`; the first argument of the signature is the target."""
    args, result = parse_signature(signature)
    return Overload(name, id, args, result, True, call)


def by_name(overloads: Iterable[Overload]) -> Functions:
    found: dict[str, list[Overload]] = {}
    for overload in overloads:
        found.setdefault(overload.name, []).append(overload)
    return {name: tuple(of_name) for name, of_name in found.items()}


def _fits(type: Type, value: Any) -> bool:
    kind = type.kind
    if kind in ("dyn", "param"):
        return True
    actual = values.type_of(value)
    if kind in ("opaque", "struct"):
        return actual.kind == kind and actual.name == type.name
    return actual.kind == kind
