"""Records an event about each new object that nothing acts on (`Kind.inert`)."""

from __future__ import annotations

from fairlead.apiserver.watchcache.cache import Event
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.runtime.events import Recorder

REASON = "NothingActs"


class InertKinds:
    """Listens to the caches of such kinds. Objects that a server finds at its start get no second event."""

    def __init__(self, resources: Resources, recorder: Recorder) -> None:
        self._recorder = recorder
        for resource in resources:
            if resource.kind.inert:
                resource.cache.listeners[self] = self._on_event

    def _on_event(self, event: Event) -> None:
        if event.type == "ADDED":
            self._recorder.event(event.entry.decode(), "Warning", REASON, event.entry.form.kind.inert)
