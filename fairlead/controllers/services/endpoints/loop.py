"""Feeds the Endpoints controller like the EndpointSlice controller, but a moment later: the kernel's rules are made
from slices, and writing a big Endpoints object must not delay them."""

from __future__ import annotations

from fairlead.api.core.endpoints.kind import ENDPOINTS, Endpoints
from fairlead.api.core.service.kind import Service
from fairlead.controllers.context import Context
from fairlead.controllers.services.endpoints.plan import reconcile, withdraw
from fairlead.controllers.services.servicewatch import ServiceWatch
from fairlead.controllers.triggers import TriggerTimes
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.loop import Controller
from fairlead.runtime.plan import Plan

_AFTER_SLICES_S = 0.005


def controller(context: Context) -> Controller:
    return _Endpoints(context).controller


class _Endpoints:
    def __init__(self, context: Context) -> None:
        self._triggers = TriggerTimes(context.clock)
        self._applier = context.applier("endpoint-controller")
        self.controller = Controller("endpoints", context.queue(), self._sync, workers=8)
        self._watch = ServiceWatch(context.informers, self._touch)
        self._deleted: set[str] = set()
        self._watch.services.add_handler(self._on_service)
        self._endpoints = context.informers.of(ENDPOINTS)
        self._endpoints.add_handler(self._on_endpoints)

    def _on_endpoints(self, key: str, old: Endpoints | None, new: Endpoints | None) -> None:
        if not self._endpoints.own_write:
            self.controller.queue.add(key)

    def _on_service(self, key: str, old: Service | None, new: Service | None) -> None:
        if new is None:
            self._deleted.add(key)
        else:
            self._deleted.discard(key)

    def _touch(self, key: str) -> None:
        self._triggers.record_change(key)
        self.controller.queue.add_after(key, _AFTER_SLICES_S)

    async def _sync(self, key: str) -> float | None:
        service = self._watch.services.get(key)
        existing = self._endpoints.get(key)
        if service is None:
            just_deleted = key in self._deleted
            self._deleted.discard(key)
            self._triggers.delete(key)
            return await self._apply(withdraw(existing, just_deleted=just_deleted))
        pods = self._watch.pods_of(service)
        at = self._triggers.drain(key, service, pods)
        try:
            return await self._apply(reconcile(service, pods, existing, now=at))
        except (StatusError, ConnectionError):
            self._triggers.restore(key, at)
            raise

    async def _apply(self, plan: Plan) -> float | None:
        if plan:
            await self._applier.apply(plan)
        return plan.retry_after
