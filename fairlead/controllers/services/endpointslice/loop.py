"""Feeds the EndpointSlice controller without delay: the first change of a burst is written at once, and changes that
arrive during that write go together into the next one."""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.api.core.node.kind import NODE, Node
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE, EndpointSlice
from fairlead.controllers.context import Context
from fairlead.controllers.services.endpointslice.hints import is_automatic, shares_of
from fairlead.controllers.services.endpointslice.plan import MANAGER, reconcile, withdraw
from fairlead.controllers.services.servicewatch import ServiceWatch
from fairlead.controllers.triggers import TriggerTimes
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.index import Index
from fairlead.runtime.loop import Controller
from fairlead.runtime.plan import Plan
from fairlead.service.wellknown import MANAGED_BY_LABEL, SERVICE_NAME_LABEL, ZONE_LABEL


def controller(context: Context) -> Controller:
    return _Slices(context).controller


class _Slices:
    def __init__(self, context: Context) -> None:
        self._triggers = TriggerTimes(context.clock)
        self._applier = context.applier("endpoint-slice-controller", account="endpointslice-controller")
        self.controller = Controller(
            "endpointslice",
            context.queue(),
            self._sync,
            workers=8,
        )
        self._watch = ServiceWatch(context.informers, self._touch)
        self._by_node = Index(self._watch.pods, lambda pod: (pod.spec.nodeName,) if pod.spec.nodeName else ())
        self._nodes = context.informers.of(NODE)
        self._nodes.add_handler(self._on_node)
        self._cached = context.informers.of(ENDPOINT_SLICE)
        self._slices = Index(self._cached, _service_of)
        self._cached.add_handler(self._on_slice)

    def _touch(self, key: str) -> None:
        self._triggers.record_change(key)
        self.controller.queue.add(key)

    def _on_slice(self, key: str, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        if self._cached.own_write:
            return
        for s in (old, new):
            if s is not None:
                for service in _service_of(s):
                    self.controller.queue.add(service)

    def _on_node(self, key: str, old: Node | None, new: Node | None) -> None:
        before = old.metadata.labels.get(ZONE_LABEL, "") if old else None
        after = new.metadata.labels.get(ZONE_LABEL, "") if new else None
        if _weight(old) != _weight(new):
            for name, one in self._watch.services.items.items():
                if is_automatic(one):
                    self._touch(name)
        if before != after:
            for service in sorted({s for pod in self._by_node.get(key) for s in self._watch.keys_of(pod)}):
                self._touch(service)

    async def _sync(self, key: str) -> float | None:
        service = self._watch.services.get(key)
        slices = self._slices.get(key)
        if service is None:
            self._triggers.delete(key)
            return await self._apply(withdraw(slices))
        pods = self._watch.pods_of(service)
        at = self._triggers.drain(key, service, pods)
        shares = shares_of(self._nodes.items.values()) if is_automatic(service) else {}
        try:
            return await self._apply(reconcile(service, pods, slices, self._zones(), now=at, shares=shares))
        except (StatusError, ConnectionError):
            self._triggers.restore(key, at)
            raise

    async def _apply(self, plan: Plan) -> float | None:
        if plan:
            await self._applier.apply(plan)
        return plan.retry_after

    def _zones(self) -> dict[str, str]:
        return {name: node.metadata.labels.get(ZONE_LABEL, "") for name, node in self._nodes.items.items()}


def _weight(node: Node | None) -> object:
    """Returns the facts of a node that hints by CPUs depend on."""
    return node and (
        node.metadata.labels.get(ZONE_LABEL),
        node.status.allocatable.get("cpu"),
        [c.status for c in node.status.conditions if c.type == "Ready"],
    )


def _service_of(s: EndpointSlice) -> Iterable[str]:
    labels = s.metadata.labels
    if labels.get(MANAGED_BY_LABEL) == MANAGER and labels.get(SERVICE_NAME_LABEL):
        return (f"{s.metadata.namespace}/{labels[SERVICE_NAME_LABEL]}",)
    return ()
