"""Feeds the load-balancer controller. One worker: two Services reconciled at once could get the same address.

Events about a change (`changes.py`) are recorded by a separate reconcile, before the effects of the change. A
change of the nodes that may announce addresses is recorded on every Service that has one.

The holders of addresses are kept from event to event, so a change costs a reconcile of one Service and of those
that share with it. Services that wait for an address are reconciled again when one is freed.
"""

from __future__ import annotations

from typing import Protocol

from fairlead.api.core.configmap.kind import CONFIG_MAP, ConfigMap
from fairlead.api.core.node.kind import NODE, Node
from fairlead.api.core.service.kind import SERVICE, Service
from fairlead.api.core.service.predicates import is_load_balancer
from fairlead.loadbalancer.announcer.plan import may_announce
from fairlead.loadbalancer.changes import change_events, ensured, updated
from fairlead.loadbalancer.holders import Holder, holder_of
from fairlead.loadbalancer.plan import holds, is_ours, reconcile
from fairlead.loadbalancer.pool import Pool
from fairlead.loadbalancer.settings import NAME, NAMESPACE, PoolSetting, Problem
from fairlead.runtime.apply import Applier
from fairlead.runtime.informer import InformerSet
from fairlead.runtime.loop import Controller, planned
from fairlead.runtime.plan import EventRecord, Plan
from fairlead.runtime.queue import WorkQueue
from fairlead.service.frontends import load_balancer_ips
from fairlead.service.wellknown import LOAD_BALANCER_FINALIZER

_NODES, _POOL = "nodes", "pool"
"""Keys in the queue for these; keys of Services have a namespace."""
_POOL_FIELDS = f"metadata.namespace={NAMESPACE},metadata.name={NAME}"


class Context(Protocol):
    """The part of the controllers' context that this one needs."""

    @property
    def informers(self) -> InformerSet: ...

    def applier(self, component: str) -> Applier: ...

    def queue(self) -> WorkQueue: ...


def controller(context: Context, *, pool: Pool, problem: Problem) -> Controller:
    """Returns the load-balancer controller. `pool` is in force as long as users set no other; `problem` returns
    what is wrong with a pool that they set."""
    return _Balancer(context, PoolSetting(pool, problem)).controller


class _Balancer:
    def __init__(self, context: Context, setting: PoolSetting) -> None:
        self._setting = setting
        self._allocations: dict[str, dict[str, Holder]] = {}
        self._trouble: dict[str, str] = {}
        self._news: dict[str, list[EventRecord]] = {}
        """Events to record at the next reconcile."""
        self._ensuring: set[str] = set()
        """Services whose EnsuredLoadBalancer event is still to be recorded."""
        self._hosts: frozenset[str] | None = None
        """The nodes that may announce addresses; None before the first reconcile of the nodes."""
        step = planned(self._look, context.applier("service-controller"))
        self.controller = Controller("loadbalancer", context.queue(), step, workers=1)
        self._services = context.informers.of(SERVICE)
        self._services.add_handler(self._on_service)
        context.informers.of(CONFIG_MAP, fields=_POOL_FIELDS).add_handler(self._on_setting)
        self._nodes = context.informers.of(NODE)
        self._nodes.add_handler(self._on_node)

    def _on_setting(self, _: str, __: ConfigMap | None, new: ConfigMap | None) -> None:
        # Here and not in a reconcile: no Service may be reconciled with the previous pool.
        if self._setting.update(new):
            for key in sorted(key for key, service in self._services.items.items() if _concerns(service)):
                self.controller.queue.add(key)
        if self._setting.events:
            self.controller.queue.add(_POOL)

    def _on_node(self, _: str, old: Node | None, new: Node | None) -> None:
        if (old is not None and may_announce(old)) != (new is not None and may_announce(new)):
            self.controller.queue.add(_NODES)

    def _on_service(self, key: str, old: Service | None, new: Service | None) -> None:
        before, after = _held(old), _held(new)
        if before != after:
            self._move(before, after)
        if old is not None and new is not None and (news := change_events(old, new)):
            self._news.setdefault(key, []).extend(news)
        if _concerns(old) or _concerns(new):
            self.controller.queue.add(key)

    def _move(self, before: dict[str, Holder], after: dict[str, Holder]) -> None:
        for address, holder in before.items():
            held = self._allocations[address]
            del held[holder.key]
            if not held:
                del self._allocations[address]
        for address, holder in after.items():
            self._allocations.setdefault(address, {})[holder.key] = holder
        for address in after:
            for key in sorted(self._allocations[address]):
                self.controller.queue.add(key)
        if before.keys() - after.keys() or any(before[a] != after[a] for a in before.keys() & after.keys()):
            for key in self._waiting():
                self.controller.queue.add(key)

    def _waiting(self) -> list[str]:
        """Returns the keys of Services without the address they need, the oldest first."""
        known = [(service, key) for key in self._trouble if (service := self._services.get(key)) is not None]
        return [key for service, key in sorted(known, key=lambda pair: holder_of(pair[0]).age)]

    def _look(self, key: str) -> Plan | None:
        if key == _NODES:
            return self._look_at_nodes()
        if key == _POOL:
            events, self._setting.events = tuple(self._setting.events), []
            return Plan(events=events)
        service = self._services.get(key)
        if service is None:
            for kept in (self._trouble, self._news):
                kept.pop(key, None)
            self._ensuring.discard(key)
            return None
        if news := self._news.pop(key, None):
            if is_ours(service) and LOAD_BALANCER_FINALIZER in service.metadata.finalizers:
                self._ensuring.add(key)
            self.controller.queue.add(key)
            return Plan(events=tuple(news))
        return self._follow(key, service)

    def _look_at_nodes(self) -> Plan | None:
        before, self._hosts = self._hosts, frozenset(k for k, node in self._nodes.items.items() if may_announce(node))
        if before is None or before == self._hosts:
            return None
        holders = sorted({key for held in self._allocations.values() for key in held})
        services = filter(None, map(self._services.get, holders))
        return Plan(events=tuple(updated(service, len(self._hosts)) for service in services))

    def _follow(self, key: str, service: Service) -> Plan:
        said = self._trouble.pop(key, "")
        decision = reconcile(service, self._allocations, self._setting.pool, said=said)
        if decision.trouble:
            self._trouble[key] = decision.trouble
        plan = decision.plan
        if key in self._ensuring:
            self._ensuring.discard(key)
            if is_ours(service) and not decision.trouble and not plan:
                return Plan(events=(ensured(service),))
        return plan


def _held(service: Service | None) -> dict[str, Holder]:
    if service is None or not holds(service):
        return {}
    holder = holder_of(service)
    return dict.fromkeys(load_balancer_ips(service), holder)


def _concerns(service: Service | None) -> bool:
    return service is not None and (
        is_load_balancer(service.spec) or LOAD_BALANCER_FINALIZER in service.metadata.finalizers
    )
