"""Records an event about each new object of a kind that does not have a controller (`Kind.inert`)."""

from __future__ import annotations

from typing import Any

from fairlead.apiserver.watchcache.cache import Event
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.runtime.events import Recorder

REASON = "NothingActs"


class InertKinds:
    """Listens to the caches of inert kinds. An object that is in the store at the start gets no second event."""

    def __init__(self, resources: Resources, recorder: Recorder, scheme: Scheme) -> None:
        self._resources = resources
        self._recorder = recorder
        for kind in scheme:
            self._listen(kind)
        scheme.subscribe(self)

    async def kind_added(self, kind: Kind[Any]) -> None:
        """Implements `Subscriber`."""
        self._listen(kind)

    async def kind_removed(self, kind: Kind[Any]) -> None:
        """Implements `Subscriber`. The kind's cache is dropped, and the listener with it."""

    def _listen(self, kind: Kind[Any]) -> None:
        if kind.inert:
            self._resources.of(kind).cache.listeners[self] = self._on_event

    def _on_event(self, event: Event) -> None:
        if event.type == "ADDED":
            self._recorder.event(event.entry.decode(), "Warning", REASON, event.entry.form.kind.inert)
