"""Feeds the mirroring controller: Services, Endpoints, and the slices that it made."""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.api.core.endpoints.kind import ENDPOINTS
from fairlead.api.core.service.kind import SERVICE, Service
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE, EndpointSlice
from fairlead.controllers.context import Context
from fairlead.controllers.services.endpointslicemirroring.plan import MANAGER, reconcile
from fairlead.runtime.index import Index
from fairlead.runtime.loop import Controller, planned
from fairlead.runtime.plan import NOTHING, Plan
from fairlead.service.wellknown import MANAGED_BY_LABEL, SERVICE_NAME_LABEL


def controller(context: Context) -> Controller:
    return _Mirror(context).controller


class _Mirror:
    def __init__(self, context: Context) -> None:
        self.controller = Controller(
            "endpointslicemirroring",
            context.queue(),
            planned(
                self._reconcile,
                context.applier("endpoint-slice-mirroring-controller", account="endpointslicemirroring-controller"),
            ),
            workers=4,
        )
        self._services = context.informers.of(SERVICE)
        self._endpoints = context.informers.of(ENDPOINTS)
        self._cached = context.informers.of(ENDPOINT_SLICE)
        self._slices = Index(self._cached, _service_of)
        self._services.add_handler(self._on_service)
        self._endpoints.add_handler(lambda key, old, new: self._queue(key))
        self._cached.add_handler(self._on_slice)

    def _queue(self, key: str) -> None:
        # Most Services have a selector, and their Endpoints change with every pod.
        service = self._services.get(key)
        if service is None or not service.spec.selector or self._slices.keys(key):
            self.controller.queue.add(key)

    def _on_service(self, key: str, old: Service | None, new: Service | None) -> None:
        if old is None and self._endpoints.get(key) is None and not self._slices.keys(key):
            return  # nothing to mirror yet
        if old is None or new is None or bool(old.spec.selector) != bool(new.spec.selector):
            self._queue(key)

    def _on_slice(self, key: str, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        if self._cached.own_write:
            return
        for s in (old, new):
            for service in _service_of(s) if s is not None else ():
                self.controller.queue.add(service)

    def _reconcile(self, key: str) -> Plan:
        endpoints, slices = self._endpoints.get(key), self._slices.get(key)
        if endpoints is None and not slices:
            return NOTHING
        return reconcile(self._services.get(key), endpoints, slices)


def _service_of(s: EndpointSlice) -> Iterable[str]:
    labels = s.metadata.labels
    if labels.get(MANAGED_BY_LABEL) == MANAGER and labels.get(SERVICE_NAME_LABEL):
        return (f"{s.metadata.namespace}/{labels[SERVICE_NAME_LABEL]}",)
    return ()
