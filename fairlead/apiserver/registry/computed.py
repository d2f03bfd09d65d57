"""Serves kinds whose objects are computed at each request (`Identity.computed`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from fairlead.apiserver.model import Outcome, json_response
from fairlead.apiserver.registry.response import renderer_for
from fairlead.apiserver.registry.subresources.table import Call
from fairlead.apiserver.serialization.params import list_options
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.apiserver.watchcache.filter import parse_filter
from fairlead.apiserver.watchcache.resource import Resource
from fairlead.base.clock import Clock
from fairlead.machinery.kinds.kind import Kind


class Source(Protocol):
    """The source of the objects of one kind."""

    @property
    def kind(self) -> Kind[Any]: ...

    async def objects(self, namespace: str, name: str) -> list[Any]:
        """Returns new objects, which the caller may change: all of a namespace, or of all if it is empty, or one by
        name."""
        ...


class Receiver(Protocol):
    """Acts on the objects of a kind that are posted and not stored."""

    @property
    def kind(self) -> Kind[Any]: ...

    async def create(self, call: Call) -> Outcome:
        """Answers the request. Raises StatusError."""
        ...


class ComputedKinds:
    """Answers get and list of kinds with a source, and create of kinds with a receiver."""

    def __init__(self, sources: Iterable[Source], receivers: Iterable[Receiver], *, clock: Clock) -> None:
        self._sources = {source.kind: source for source in sources}
        self._receivers = {receiver.kind: receiver for receiver in receivers}
        self._clock = clock

    def check(self, kind: Kind[Any]) -> None:
        """Raises ValueError for a computed kind without the code for its verbs."""
        if kind.computed and "create" in kind.verbs and kind not in self._receivers:
            raise ValueError(f"{kind.kind} of {kind.api_version}: no receiver of posted objects")
        if kind.computed and "get" in kind.verbs and kind not in self._sources:
            raise ValueError(f"{kind.kind} of {kind.api_version}: no source of computed objects")

    async def handle(self, call: Call) -> Outcome:
        """Answers the request. Raises StatusError 404 for a missing object."""
        target = call.target
        resource = target.resource
        if call.context.info.verb == "create":
            return await self._receivers[resource.kind].create(call)
        entries = await self._entries(resource, target.namespace, target.name)
        renderer = renderer_for(resource.kind, call.request, clock=self._clock)
        if target.name:
            if not entries:
                raise resource.not_found(target.name)
            return json_response(renderer.one(entries[0]))
        options = list_options(call.request.query)
        selected = parse_filter(resource.kind, target.namespace, "", options.labels, options.fields)
        return json_response(renderer.many([entry for entry in entries if selected.matches(entry)], b"{}"))

    async def _entries(self, resource: Resource, namespace: str, name: str) -> Sequence[Entry]:
        found = await self._sources[resource.kind].objects(namespace, name)
        return [
            _entry(resource, obj) for obj in sorted(found, key=lambda obj: (obj.metadata.namespace, obj.metadata.name))
        ]


def _entry(resource: Resource, obj: Any) -> Entry:
    """Returns the entry of an object without a version."""
    form, meta = resource.form, obj.metadata
    return Entry(form, resource.key(meta.namespace, meta.name), form.stored(obj), 0)
