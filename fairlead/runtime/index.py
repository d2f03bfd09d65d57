"""An index of an informer's cache: objects by any facts that a function computes from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from fairlead.api.meta.types import Object, controller_of
from fairlead.runtime.informer import Informer

T = TypeVar("T", bound=Object)


class Index(Generic[T]):
    """`get(fact)` returns the cached objects that have the fact, in key order."""

    def __init__(self, informer: Informer[T], facts: Callable[[T], Iterable[str]]) -> None:
        self._items = informer.items
        self._facts = facts
        self._keys: dict[str, set[str]] = {}
        informer.add_handler(self._on_change)

    def get(self, fact: str) -> list[T]:
        """Returns the objects that have the fact, in key order."""
        return [self._items[key] for key in sorted(self._keys.get(fact, ())) if key in self._items]

    def keys(self, fact: str) -> frozenset[str]:
        """Returns the keys of the objects that have the fact."""
        return frozenset(self._keys.get(fact, ()))

    def _on_change(self, key: str, old: T | None, new: T | None) -> None:
        if old is None and new is not None:
            for fact in self._facts(new):
                self._keys.setdefault(fact, set()).add(key)
            return
        before = set(self._facts(old)) if old is not None else set()
        after = set(self._facts(new)) if new is not None else set()
        for fact in before - after:
            keys = self._keys.get(fact)
            if keys is not None:
                keys.discard(key)
                if not keys:
                    del self._keys[fact]
        for fact in after - before:
            self._keys.setdefault(fact, set()).add(key)


def by_namespace(obj: Object) -> Iterable[str]:
    """Returns the object's namespace."""
    return (obj.metadata.namespace,)


def by_controller(obj: Object) -> Iterable[str]:
    """Returns the uid of the object's managing owner; an object without one is indexed under `<namespace>/`."""
    owner = controller_of(obj.metadata)
    return (owner.uid,) if owner else (f"{obj.metadata.namespace}/",)
