"""The set of kinds that are served. Kinds can be added and removed at run time.

What must stay true: after `add` has returned, every subscriber knows the kind; after `remove` has returned, none does.
Subscribers are called in the order of their subscription, on removal in the opposite order. The API server subscribes
first and so is called last on removal: controllers never request a kind that is not served.

A removed kind's objects stay in the store; if the kind is removed permanently, they must be deleted before.

A kind is in use from its first object on. Controllers that follow all kinds (garbage collection, namespace deletion)
open a watch only for kinds in use, because most kinds of a cluster never have an object: a watch costs
0.7 ms and 15 KB. Without a server that reports first objects (`track_use`), every kind counts as in use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from fairlead.machinery.kinds.kind import Kind


class Subscriber(Protocol):
    """A component that follows the changes of a Scheme."""

    async def kind_added(self, kind: Kind[Any]) -> None:
        """Serves the kind from now on. If this raises, the kind is not added."""
        ...

    async def kind_removed(self, kind: Kind[Any]) -> None:
        """Stops serving the kind."""
        ...

    # A subscriber may also have `async def kind_renewed(self, kind)`, for changes of columns, schema and short names.


class Scheme:
    """Kinds by resource and by name, in the order in which they were added."""

    def __init__(self, kinds: Iterable[Kind[Any]] = ()) -> None:
        self._by_resource: dict[tuple[str, str, str], Kind[Any]] = {}
        self._by_gvk: dict[tuple[str, str, str], Kind[Any]] = {}
        self._subscribers: dict[Subscriber, None] = {}
        self._changing: set[Kind[Any]] = set()
        self._used: dict[Kind[Any], None] | None = None
        """The stored kinds in use, in the order of their first objects; None if use is not tracked."""
        self._on_use: list[Callable[[Kind[Any]], object]] = []
        for kind in kinds:
            self._put(kind)

    def __iter__(self) -> Iterator[Kind[Any]]:
        return iter(tuple(self._by_resource.values()))

    def __len__(self) -> int:
        return len(self._by_resource)

    def __contains__(self, kind: object) -> bool:
        return isinstance(kind, Kind) and self._by_resource.get(_resource(kind)) is kind

    def stored(self) -> list[Kind[Any]]:
        """Returns the kinds that own objects in the store: those of the storage version."""
        return [kind for kind in self if kind.conversion is None]

    def track_use(self) -> None:
        """Counts kinds as unused until `mark_used`."""
        self._used = {}

    def used(self) -> list[Kind[Any]]:
        """Returns the stored kinds in use; all stored kinds if use is not tracked."""
        return self.stored() if self._used is None else list(self._used)

    def mark_used(self, kind: Kind[Any]) -> None:
        """Puts a stored kind into use when its first object is known."""
        if self._used is not None and kind not in self._used:
            self._used[kind] = None
            for callback in list(self._on_use):
                callback(kind)

    def on_use(self, callback: Callable[[Kind[Any]], object]) -> None:
        """Calls the function for every stored kind in use, now and later."""
        self._on_use.append(callback)
        for kind in self.used():
            callback(kind)

    def by_resource(self, group: str, version: str, plural: str) -> Kind[Any] | None:
        return self._by_resource.get((group, version, plural))

    def by_gvk(self, group: str, version: str, kind: str) -> Kind[Any] | None:
        return self._by_gvk.get((group, version, kind))

    def by_group_kind(self, group: str, kind: str) -> Kind[Any] | None:
        """Returns the kind in one of the versions in which it is served."""
        return next((k for k in self if (k.group, k.kind) == (group, kind)), None)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Tells the subscriber of all later changes. Returns a function that ends the subscription."""
        self._subscribers[subscriber] = None
        return lambda: self._subscribers.pop(subscriber, None)

    async def add(self, kind: Kind[Any]) -> None:
        """Adds a kind and waits until it is served. Raises ValueError if its name is taken, or its storage version is
        missing. If a subscriber raises, the kind is taken out and the exception raised again."""
        self._put(kind)
        told: list[Subscriber] = []
        with self._exclusive(kind):
            try:
                for subscriber in list(self._subscribers):
                    told.append(subscriber)
                    await subscriber.kind_added(kind)
                if self._used is None and kind.conversion is None:
                    for callback in list(self._on_use):
                        callback(kind)
            except BaseException:
                await self._withdraw(kind, told)
                raise

    async def remove(self, kind: Kind[Any]) -> None:
        """Removes a kind and waits until no subscriber serves it. Raises ValueError if the kind is not present, or if
        it is the storage version of another one."""
        if kind not in self:
            raise ValueError(f"{kind.kind} of {kind.api_version} is not in the scheme")
        if spokes := [k for k in self if k.conversion is not None and k.conversion.storage is kind]:
            raise ValueError(f"{kind.kind} of {kind.api_version} is the storage version of {spokes[0].api_version}")
        with self._exclusive(kind):
            await self._withdraw(kind, list(self._subscribers))

    async def renew(self, kind: Kind[Any], other: Kind[Any]) -> None:
        """Gives a kind the facts of another one with the same names, without an end to its watches."""
        kind.derived.clear()
        kind.__dict__.update({name: value for name, value in vars(other).items() if name not in _KEPT})
        for subscriber in list(self._subscribers):
            renewed = getattr(subscriber, "kind_renewed", None)
            if renewed is not None:
                await renewed(kind)

    @contextmanager
    def _exclusive(self, kind: Kind[Any]) -> Iterator[None]:
        """Raises ValueError if the kind is being added or removed already."""
        if kind in self._changing:
            raise ValueError(f"{kind.kind} of {kind.api_version} is being added or removed")
        self._changing.add(kind)
        try:
            yield
        finally:
            self._changing.discard(kind)

    def _put(self, kind: Kind[Any]) -> None:
        resource, gvk = _resource(kind), (kind.group, kind.version, kind.kind)
        if resource in self._by_resource or gvk in self._by_gvk:
            raise ValueError(f"{kind.kind} ({kind.plural}) of {kind.api_version} is in the scheme already")
        if kind.conversion is not None and kind.conversion.storage not in self:
            raise ValueError(f"the storage version of {kind.kind} of {kind.api_version} is not in the scheme")
        self._by_resource[resource] = self._by_gvk[gvk] = kind

    async def _withdraw(self, kind: Kind[Any], subscribers: list[Subscriber]) -> None:
        del self._by_resource[_resource(kind)], self._by_gvk[kind.group, kind.version, kind.kind]
        if self._used is not None:
            self._used.pop(kind, None)
        for subscriber in reversed(subscribers):
            await subscriber.kind_removed(kind)


_KEPT = frozenset(("conversion", "derived", "own_codec"))
"""The fields of a kind that others hold on to."""


def _resource(kind: Kind[Any]) -> tuple[str, str, str]:
    return kind.group, kind.version, kind.plural
