"""Finds the Services that a change of a pod affects. Shared by EndpointSlices and Endpoints.

Matching every pod event against every Service of its namespace is cheap in small namespaces, and too slow with ten
thousand Services in one. So Services are indexed by one pair of their selector: a pod without that pair is not
selected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from fairlead.api.core.pod.kind import POD, Pod
from fairlead.api.core.service.kind import SERVICE, Service
from fairlead.api.core.service.predicates import TOPOLOGY_HINTS, TOPOLOGY_MODE
from fairlead.base.keys import key_of
from fairlead.runtime.index import Index
from fairlead.runtime.informer import InformerSet
from fairlead.service.members import selects_pods


class ServiceWatch:
    """Calls `touched(key of the Service)` after each change of a Service or of a pod that it selects."""

    def __init__(self, informers: InformerSet, touched: Callable[[str], object]) -> None:
        self.services = informers.of(SERVICE)
        self.pods = informers.of(POD)
        self._touched = touched
        self._by_pair = Index(self.services, _first_pair)
        self._by_label = Index(self.pods, _pairs)
        self.services.add_handler(self._on_service)
        self.pods.add_handler(self._on_pod)

    def pods_of(self, service: Service) -> list[Pod]:
        """Returns the pods that the selector matches, in name order; empty without a selector."""
        pairs = list(_first_pair(service))
        if not pairs:
            return []
        selector = service.spec.selector.items()
        return [pod for pod in self._by_label.get(pairs[0]) if selector <= pod.metadata.labels.items()]

    def _on_service(self, key: str, old: Service | None, new: Service | None) -> None:
        if old is None and new is not None and not selects_pods(new):
            # nothing was written for it; slices of an earlier Service of its name were queued by that one's deletion
            return
        # Status and most annotations (a load balancer's, say) change often and do not affect endpoints.
        if old is None or new is None or _service_facts(old) != _service_facts(new):
            self._touched(key)

    def _on_pod(self, key: str, old: Pod | None, new: Pod | None) -> None:
        if old is not None and new is not None and _pod_facts(old) == _pod_facts(new):
            return
        affected: set[str] = set()
        for pod in (old, new):
            if pod is not None:
                affected.update(self.keys_of(pod))
        for service_key in sorted(affected):
            self._touched(service_key)

    def keys_of(self, pod: Pod) -> set[str]:
        """Returns the keys of the Services that select the pod."""
        labels = pod.metadata.labels.items()
        return {
            key_of(service.metadata)
            for pair in _pairs(pod)
            for service in self._by_pair.get(pair)
            if service.spec.selector.items() <= labels
        }


def _service_facts(service: Service) -> tuple[object, ...]:
    """Returns the fields of a Service that its endpoints depend on."""
    meta = service.metadata
    modes = [value for name, value in meta.annotations.items() if name in (TOPOLOGY_HINTS, TOPOLOGY_MODE)]
    return service.spec, meta.labels, meta.uid, bool(meta.deletionTimestamp), modes


def _pod_facts(pod: Pod) -> tuple[object, ...]:
    """Returns the fields of a pod that endpoints depend on; other changes (restart counts, ...) are ignored."""
    ready = next((c.status for c in pod.status.conditions if c.type == "Ready"), "")
    return (
        pod.metadata.labels,
        pod.metadata.uid,
        bool(pod.metadata.deletionTimestamp),
        pod.status.phase,
        pod.status.podIP,
        pod.status.podIPs,
        ready,
        pod.spec.nodeName,
    )


def _pairs(pod: Pod) -> Iterable[str]:
    namespace = pod.metadata.namespace
    return [f"{namespace}/{name}={value}" for name, value in pod.metadata.labels.items()]


def _first_pair(service: Service) -> Iterable[str]:
    """Yields the first pair of the selector. The rarest pair would be better but is unknown; any one is correct."""
    if not selects_pods(service):
        return ()
    name = min(service.spec.selector)
    return (f"{service.metadata.namespace}/{name}={service.spec.selector[name]}",)
