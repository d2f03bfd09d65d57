"""The lists of the API that a snapshot is made of. The caller fetches them, with whatever client it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from fairlead.api.core.event.kind import Event
from fairlead.api.core.node.kind import Node
from fairlead.api.core.pod.types import Pod
from fairlead.api.core.service.types import Service
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.api.networking.networkpolicy.kind import NetworkPolicy
from fairlead.explain.snapshot import Snapshot, Workload
from fairlead.explain.sockets import Listener
from fairlead.service.wellknown import SERVICE_NAME_LABEL

Tree = dict[str, Any]
T = TypeVar("T")

_WORKLOADS = {
    "deployments": "Deployment",
    "statefulsets": "StatefulSet",
    "daemonsets": "DaemonSet",
    "replicasets": "ReplicaSet",
}


def lists(name: str, namespace: str) -> dict[str, str]:
    """Returns the paths of the lists that every snapshot needs, by the names that `assemble` expects."""
    core, slices = "/api/v1", "/apis/discovery.k8s.io/v1"
    inside = f"/namespaces/{quote(namespace, safe='')}"
    return {
        "services": f"{core}{inside}/services",
        "slices": f"{slices}{inside}/endpointslices?labelSelector={_label(name)}",
        "pods": f"{core}{inside}/pods",
        "events": f"{core}{inside}/events",
        "nodes": f"{core}/nodes",
        "policies": f"/apis/networking.k8s.io/v1{inside}/networkpolicies",
        "dns": f"{core}/namespaces/kube-system/services?fieldSelector={quote('metadata.name=kube-dns', safe='')}",
        "dns_slices": f"{slices}/namespaces/kube-system/endpointslices?labelSelector={_label('kube-dns')}",
    } | {plural: f"/apis/apps/v1{inside}/{plural}" for plural in _WORKLOADS}


def further_lists(snapshot: Snapshot) -> dict[str, str]:
    """Returns the paths of lists over all namespaces that the snapshot turns out to need."""
    if snapshot.service is None:
        return {"services": "/api/v1/services"}
    if snapshot.found.spec.selector and not snapshot.selected:
        return {"all_pods": "/api/v1/pods"}
    return {}


def assemble(
    name: str,
    namespace: str,
    trees: Mapping[str, Sequence[Tree]],
    *,
    port: str = "",
    sockets: Mapping[str, frozenset[Listener]] | None = None,
) -> Snapshot:
    """Returns the snapshot of one Service from the fetched lists' items."""
    services = _decode(trees["services"], Service)
    events = _decode(trees["events"], Event)
    return Snapshot(
        name=name,
        namespace=namespace,
        port=port,
        service=next((s for s in services if s.metadata.name == name and s.metadata.namespace == namespace), None),
        services=services,
        slices=_decode(trees["slices"], EndpointSlice),
        pods=_decode(trees["pods"], Pod),
        pods_elsewhere=[p for p in _decode(trees.get("all_pods", ()), Pod) if p.metadata.namespace != namespace],
        workloads=[_workload(kind, tree) for plural, kind in _WORKLOADS.items() for tree in trees[plural]],
        events=sorted(events, key=_time),
        nodes=_decode(trees["nodes"], Node),
        policies=_decode(trees["policies"], NetworkPolicy),
        dns=next(iter(_decode(trees["dns"], Service)), None),
        dns_slices=_decode(trees["dns_slices"], EndpointSlice),
        sockets=sockets or {},
    )


def _label(service: str) -> str:
    return quote(f"{SERVICE_NAME_LABEL}={service}", safe="")


def _decode(trees: Iterable[Tree], type_: type[T]) -> list[T]:
    # By way of JSON, because fields of the type `msgspec.Raw` need bytes.
    return msgspec.json.decode(msgspec.json.encode(list(trees)), type=list[type_])  # type: ignore[valid-type]


def _workload(kind: str, tree: Tree) -> Workload:
    spec, status = tree["spec"], tree.get("status", {})
    failure = next(
        (
            c.get("message", "")
            for c in status.get("conditions", ())
            if (c["type"], c["status"]) == ("ReplicaFailure", "True")
        ),
        "",
    )
    labels = spec.get("template", {}).get("metadata", {}).get("labels", {})
    return Workload(kind, tree["metadata"]["name"], labels, spec.get("replicas", 1), failure)


def _time(event: Event) -> str:
    return event.lastTimestamp or (event.eventTime or "") or event.metadata.creationTimestamp or ""
