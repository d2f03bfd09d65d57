"""Bases of the plug-ins that act by objects of the API, such as policies and webhooks: the objects in force, read again
when they have changed, and the choice among them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

from fairlead.apiserver.admission.matching import EXEMPT_GROUP, ResourceVersionKind, equivalents, resource_of
from fairlead.apiserver.admission.plugin import AdmissionPlugin, Operation
from fairlead.apiserver.watchcache.cache import KindCache
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.kinds.scheme import Scheme

Configured = TypeVar("Configured")
Candidate = TypeVar("Candidate")


class Source(Generic[Configured, Candidate]):
    """The objects in force. `caches`: those of their kinds; without an object of each kind nothing is in force."""

    def __init__(self, caches: Sequence[KindCache], scheme: Scheme) -> None:
        self._caches = caches
        self._scheme = scheme
        self._in_force: Sequence[Configured] | None = None
        self._candidates: dict[tuple[str, str], dict[Kind[Any], tuple[Candidate, ...]]] = {}

    def follow(self, changed: Callable[[], None]) -> None:
        """Calls the function each time that objects changed, or versions of a kind came or went."""
        self._changed = changed
        for cache in self._caches:
            cache.listeners[self] = lambda _: self._reset()
        self._scheme.subscribe(self)

    async def kind_added(self, kind: Kind[Any]) -> None:
        """Implements `Subscriber`."""
        self._reset()

    async def kind_removed(self, kind: Kind[Any]) -> None:
        """Implements `Subscriber`."""
        self._reset()

    def candidates(self, operation: str, kind: Kind[Any], subresource: str) -> tuple[Candidate, ...]:
        """Returns what may be about such requests."""
        by_kind = self._candidates.setdefault((operation, subresource), {})
        found = by_kind.get(kind)
        if found is None:
            found = by_kind[kind] = tuple(self._find(operation, kind, subresource))
        return found

    def _read(self) -> Sequence[Configured]:
        """Returns the objects in force, in their order."""
        raise NotImplementedError

    def _choose(
        self,
        in_force: Sequence[Configured],
        operation: str,
        requested: ResourceVersionKind,
        others: Sequence[ResourceVersionKind],
    ) -> Iterator[Candidate]:
        """Yields those about the resource. `others`: the same resource in other versions and groups."""
        raise NotImplementedError

    def _find(self, operation: str, kind: Kind[Any], subresource: str) -> Iterable[Candidate]:
        if not all(len(cache) for cache in self._caches) or kind.group == EXEMPT_GROUP:
            return ()
        requested = resource_of(kind, subresource)
        if requested is None:
            return ()
        if self._in_force is None:
            self._in_force = self._read()
        return self._choose(self._in_force, operation, requested, equivalents(self._scheme, kind, subresource))

    def _reset(self) -> None:
        self._in_force = None
        self._candidates.clear()
        self._changed()


class _Followed(Protocol):
    def follow(self, changed: Callable[[], None]) -> None: ...

    def candidates(self, operation: str, kind: Kind[Any], subresource: str) -> tuple[Any, ...]: ...


S = TypeVar("S", bound=_Followed)


class ConfiguredPlugin(AdmissionPlugin, Generic[S]):
    """A plug-in that is called if an object in force may be about the request."""

    def __init__(self, source: S) -> None:
        self._source = source

    def follow(self, changed: Callable[[], None]) -> None:
        self._source.follow(changed)

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        return bool(self._source.candidates(operation, kind, subresource))
