"""Kinds whose types and rules are imported at their first use.

A cluster serves some seventy kinds and uses twenty of them at its start. The package of a kind declares its `Identity`
(70 µs to import); its module `kind` has the `Strategy` (types, rules and columns: 1 to 15 ms, 0.1 to 1 MB). Every
user holds the same `Kind` value, before and after.

What must stay true: a read of a field of the identity imports nothing; a read of any other field imports the module. An
attribute of a loaded kind costs what it costs for other kinds, because the class with the hook is gone by then. The
module `kind` does not import the package, so the two form no circle.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeVar, cast

from fairlead.machinery.kinds.kind import Identity, Kind, Strategy

T = TypeVar("T")

_IDENTITY = tuple(field.name for field in dataclasses.fields(Identity))
_STRATEGY = frozenset(field.name for field in dataclasses.fields(Strategy))


class _Declared(Kind[Any]):
    """A kind without its strategy. Its class becomes `Kind` when the strategy is read."""

    def __getattr__(self, name: str) -> Any:
        if name not in _STRATEGY:
            raise AttributeError(f"unknown attribute: {name}", name=name, obj=self)
        module, constant = self.__dict__["source"]
        strategy = getattr(import_module(module), constant, None)
        if not isinstance(strategy, Strategy):
            raise AttributeError(f"{module} has no {constant} of {self.kind}, {self.api_version}: {name}")
        _complete(self, strategy)
        return getattr(self, name)


def declare(module: str, identity: Identity, strategy: str = "STRATEGY") -> Kind[Any]:
    """Returns a kind with the identity only; the module has the strategy as a constant of the given name."""
    kind = object.__new__(_Declared)
    facts = {name: getattr(identity, name) for name in _IDENTITY}
    kind.__dict__.update(facts, source=(module, strategy), derived={})
    return kind


def _complete(kind: Kind[Any], strategy: Strategy[Any]) -> None:
    kind.__dict__.update(vars(strategy))
    object.__setattr__(kind, "__class__", Kind)


def is_loaded(kind: Kind[Any]) -> bool:
    """Returns whether the kind's types and rules have been imported."""
    return not isinstance(kind, _Declared)


def with_type(kind: Kind[Any], type: type[T]) -> Kind[T]:
    """Returns a kind with the same identity, whose objects are read as another type, without rules. The kind itself
    need not be loaded."""
    return Kind(type=type, **{name: getattr(kind, name) for name in _IDENTITY})


def deferred(module: str, name: str) -> Callable[..., Any]:
    """Returns a function that calls a function of the module, which is imported at the first call.

    For the functions that an `Identity` holds (`Conversion`, `Expiry`, `Part`, `initial`).
    """

    def call(*args: Any) -> Any:
        return cast("Callable[..., Any]", getattr(import_module(module), name))(*args)

    return call
