"""A small API in memory, and the load balancer's decisions applied to it until none is left."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

import msgspec

from fairlead.api.core.service.kind import Service, ServicePort, ServiceSpec
from fairlead.api.meta.types import ObjectMeta
from fairlead.loadbalancer.holders import Holder, holder_of
from fairlead.loadbalancer.plan import Decision, holds, reconcile
from fairlead.loadbalancer.pool import Pool, Range
from fairlead.runtime.plan import EventRecord, Plan
from fairlead.service.frontends import load_balancer_ips


def pool(first: str = "172.30.0.200", last: str = "172.30.0.202", *more: tuple[str, str]) -> Pool:
    pairs = ((first, last), *more)
    return Pool(tuple(Range(ip_address(a), ip_address(b)) for a, b in pairs))


def balanced(
    name: str = "web", *, ports: Sequence[int | ServicePort] = (80,), age: int = 0, meta: Any = None, **spec: Any
) -> Service:
    """A Service of type LoadBalancer; a higher `age` is younger."""
    fields: dict[str, Any] = {"type": "LoadBalancer", "selector": {"app": name}, "ipFamilies": ["IPv4"]}
    made = [p if isinstance(p, ServicePort) else ServicePort(port=p, protocol="TCP") for p in ports]
    stamps: dict[str, Any] = {
        "name": name,
        "namespace": "default",
        "uid": f"uid-{name}",
        "creationTimestamp": f"2026-01-01T00:00:{age:02}Z",
    }
    return Service(
        metadata=ObjectMeta(**(stamps | (meta or {}))), spec=ServiceSpec(**(fields | {"ports": made} | spec))
    )


def sharing(value: str = "one", **annotations: str) -> dict[str, Any]:
    return {"annotations": {"fairlead.dev/allow-shared-ip": value} | annotations}


class World:
    """`settle` reconciles every Service until nothing is left to write; `said`: the events, in order."""

    def __init__(self, some: Pool | None = None) -> None:
        self.pool = some or pool()
        self.services: dict[str, Service] = {}
        self.said: list[str] = []
        self._trouble: dict[str, str] = {}

    def put(self, *services: Service) -> None:
        """Updates the spec of each Service; status and finalizers stay."""
        for new in services:
            old = self.services.get(new.metadata.name)
            if old is not None:
                meta = msgspec.structs.replace(new.metadata, finalizers=list(old.metadata.finalizers))
                status = old.status if new.spec.type == "LoadBalancer" else type(old.status)()
                new = msgspec.structs.replace(new, metadata=meta, status=status)
            self.services[new.metadata.name] = new

    def delete(self, name: str) -> None:
        old = self.services[name]
        meta = msgspec.structs.replace(old.metadata, deletionTimestamp="2026-01-02T00:00:00Z")
        self.services[name] = msgspec.structs.replace(old, metadata=meta)

    def address(self, name: str = "web") -> str:
        return ",".join(load_balancer_ips(self.services[name]))

    def settle(self, order: Sequence[str] | None = None) -> None:
        for _ in range(20):
            wrote = [self.look(name) for name in (order or sorted(self.services)) if name in self.services]
            if not any(wrote):
                return
        raise AssertionError("it never settles")

    def look(self, name: str) -> bool:
        """One look at one Service; whether there was something to write."""
        decision = self.decide(name)
        self._trouble[name] = decision.trouble
        self._apply(name, decision.plan)
        return bool(decision.plan.patch or decision.plan.status)

    def decide(self, name: str) -> Decision:
        return reconcile(self.services[name], self._allocations(), self.pool, said=self._trouble.get(name, ""))

    def _allocations(self) -> dict[str, dict[str, Holder]]:
        held: dict[str, dict[str, Holder]] = {}
        for service in self.services.values():
            if holds(service):
                for address in load_balancer_ips(service):
                    held.setdefault(address, {})[holder_of(service).key] = holder_of(service)
        return held

    def _apply(self, name: str, plan: Plan) -> None:
        for patch in plan.patch:
            service = self.services[name]
            names = patch.patch["metadata"]["finalizers"] or []
            meta = msgspec.structs.replace(service.metadata, finalizers=names)
            self.services[name] = msgspec.structs.replace(service, metadata=meta)
            if meta.deletionTimestamp and not names:
                del self.services[name]
        for update in plan.status:
            assert isinstance(update.obj, Service)
            self.services[name] = update.obj
            self._tell(update.done)
        for note in plan.events:
            self._tell(note)

    def _tell(self, note: EventRecord | None) -> None:
        if note is not None:
            self.said.append(f"{note.about.metadata.name} {note.type} {note.reason}: {note.message}")
