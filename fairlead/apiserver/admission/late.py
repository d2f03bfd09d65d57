"""A plug-in that is made, and whose modules are imported, once objects that configure it exist.

What must stay true: a cluster without webhooks and policies does not import their modules (0.5 MB).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.machinery.kinds.kind import Kind


class LatePlugin(AdmissionPlugin):
    """Handles nothing until an object of `kind` exists; from then on, the same as the plug-in of `make`."""

    def __init__(self, resources: Resources, name: str, kind: Kind[Any], make: Callable[[], AdmissionPlugin]) -> None:
        self.name = name
        self._cache = resources.of(kind).cache
        self._make = make
        self._plugin: AdmissionPlugin | None = None
        self._changed: Callable[[], None] = lambda: None

    def follow(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._cache.listeners[self] = lambda _: self._on_change()

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        if self._plugin is None and not len(self._cache):
            return False
        return self._made().handles(operation, kind, subresource)

    async def admit(self, attributes: Attributes) -> None:
        await self._made().admit(attributes)

    async def validate(self, attributes: Attributes) -> None:
        await self._made().validate(attributes)

    def _on_change(self) -> None:
        if self._plugin is None and len(self._cache):
            self._made()
            self._changed()

    def _made(self) -> AdmissionPlugin:
        if self._plugin is None:
            self._cache.listeners.pop(self, None)
            self._plugin = self._make()
            self._plugin.follow(self._changed)
        return self._plugin
