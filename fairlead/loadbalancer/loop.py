"""Feeds the load-balancer controller. One worker: two Services looked at at once could be given the same address.

Who holds what is kept from event to event, so a change costs a look at one Service and at those that share with it;
Services that wait for an address are looked at again when one was freed.
"""

from __future__ import annotations

from typing import Protocol

from fairlead.api.service import SERVICE, Service
from fairlead.loadbalancer.holders import Holder, addresses_of, holder_of
from fairlead.loadbalancer.plan import FINALIZER, holds, reconcile
from fairlead.loadbalancer.pool import Pool
from fairlead.runtime.apply import Applier
from fairlead.runtime.informer import InformerSet
from fairlead.runtime.loop import Controller, planned
from fairlead.runtime.plan import Plan
from fairlead.runtime.queue import WorkQueue


class Context(Protocol):
    """What controllers are handed, as far as this one needs it."""

    @property
    def informers(self) -> InformerSet: ...

    def applier(self, component: str) -> Applier: ...

    def queue(self) -> WorkQueue: ...


def controller(context: Context, *, pool: Pool) -> Controller:
    """The load-balancer controller."""
    return _Balancer(context, pool).controller


class _Balancer:
    def __init__(self, context: Context, pool: Pool) -> None:
        self._pool = pool
        self._holdings: dict[str, dict[str, Holder]] = {}
        self._trouble: dict[str, str] = {}
        step = planned(self._look, context.applier("service-controller"))
        self.controller = Controller("loadbalancer", context.queue(), step, workers=1)
        self._services = context.informers.of(SERVICE)
        self._services.add_handler(self._on_service)

    def _on_service(self, key: str, old: Service | None, new: Service | None) -> None:
        before, after = _held(old), _held(new)
        if before != after:
            self._move(before, after)
        if _concerns(old) or _concerns(new):
            self.controller.queue.add(key)

    def _move(self, before: dict[str, Holder], after: dict[str, Holder]) -> None:
        for address, holder in before.items():
            held = self._holdings[address]
            del held[holder.key]
            if not held:
                del self._holdings[address]
        for address, holder in after.items():
            self._holdings.setdefault(address, {})[holder.key] = holder
        for address in after:
            for key in sorted(self._holdings[address]):
                self.controller.queue.add(key)
        if before.keys() - after.keys() or any(before[a] != after[a] for a in before.keys() & after.keys()):
            for key in self._waiting():
                self.controller.queue.add(key)

    def _waiting(self) -> list[str]:
        """Those in trouble, the oldest first."""
        known = [(service, key) for key in self._trouble if (service := self._services.get(key)) is not None]
        return [key for service, key in sorted(known, key=lambda pair: holder_of(pair[0]).age)]

    def _look(self, key: str) -> Plan | None:
        service = self._services.get(key)
        said = self._trouble.pop(key, "")
        if service is None:
            return None
        decision = reconcile(service, self._holdings, self._pool, said=said)
        if decision.trouble:
            self._trouble[key] = decision.trouble
        return decision.plan


def _held(service: Service | None) -> dict[str, Holder]:
    if service is None or not holds(service):
        return {}
    holder = holder_of(service)
    return dict.fromkeys(addresses_of(service), holder)


def _concerns(service: Service | None) -> bool:
    return service is not None and (service.spec.type == "LoadBalancer" or FINALIZER in service.metadata.finalizers)
