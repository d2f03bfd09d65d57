"""Services with their slices from informers, and the set of those that changed since the last call of `drain`.

For components that follow single Services (proxy, relay): an event costs the work for one Service, not for all.
Services and slices whose traffic nodes do not carry (`is_proxied`) are left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from fairlead.api.core.service.kind import SERVICE, Service
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE, EndpointSlice
from fairlead.runtime.informer import InformerSet
from fairlead.service.members import is_proxied, service_of


class ServiceView:
    """The Services by key (`namespace/name`). `service_changed` and `slice_changed` are informers' handlers."""

    def __init__(self) -> None:
        self._services: dict[str, Service] = {}
        self._slices: dict[str, dict[str, EndpointSlice]] = {}
        self._dirty: set[str] = set()
        self._wake = asyncio.Event()

    def follow(self, informers: InformerSet) -> None:
        """Registers the handlers at the informers of Services and EndpointSlices."""
        informers.of(SERVICE).add_handler(self.service_changed)
        informers.of(ENDPOINT_SLICE).add_handler(self.slice_changed)

    def service(self, key: str) -> Service | None:
        """Returns the Service; None if it does not exist or is not proxied."""
        return self._services.get(key)

    def slices(self, key: str) -> Collection[EndpointSlice]:
        """Returns the slices of the Service."""
        return self._slices.get(key, {}).values()

    def keys(self) -> list[str]:
        """Returns the keys of all Services."""
        return list(self._services)

    @property
    def pending(self) -> bool:
        """Returns whether changes are waiting for `drain`."""
        return bool(self._dirty)

    def wake(self) -> None:
        """Ends every `wait`, even if no Service changed."""
        self._wake.set()

    def mark_all(self) -> None:
        """Marks every Service as changed."""
        for key in self._services:
            self._mark(key)

    async def wait(self) -> None:
        """Waits for a change, or for `wake`."""
        await self._wake.wait()

    async def changed(self) -> set[str]:
        """Waits for a change, then drains the set of changed keys."""
        await self._wake.wait()
        return self.drain()

    def drain(self) -> set[str]:
        """Returns the keys of the Services changed since the last call, without waiting."""
        self._wake.clear()
        dirty, self._dirty = self._dirty, set()
        return dirty

    def service_changed(self, key: str, _: Service | None, new: Service | None) -> None:
        if new is None or not is_proxied(new):
            self._services.pop(key, None)
        else:
            self._services[key] = new
        self._mark(key)

    def slice_changed(self, key: str, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        if old is not None and (before := service_of(old)):
            held = self._slices.get(before, {})
            held.pop(key, None)
            if not held:
                self._slices.pop(before, None)
            self._mark(before)
        if new is not None and is_proxied(new) and (service := service_of(new)):
            self._slices.setdefault(service, {})[key] = new
            self._mark(service)

    def _mark(self, service: str) -> None:
        self._dirty.add(service)
        self._wake.set()
