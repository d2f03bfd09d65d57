"""The lists of the API that a snapshot is made of. The caller fetches them, with whatever client it has."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar, cast
from urllib.parse import quote

import msgspec

from fairlead.api.core.event.kind import Event
from fairlead.api.core.node.kind import Node
from fairlead.api.core.pod.types import Pod
from fairlead.api.core.service.predicates import is_external_name
from fairlead.api.core.service.types import Service
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.api.networking.ingress.types import Ingress
from fairlead.api.networking.networkpolicy.kind import NetworkPolicy
from fairlead.base.dataclass import replace
from fairlead.explain.runs import RUNS, pods_of_run, read_run
from fairlead.explain.snapshot import Snapshot, Workload
from fairlead.explain.sockets import Listener
from fairlead.explain.tried import Tried
from fairlead.service.wellknown import HOST_URLS_ANNOTATION, SERVICE_NAME_LABEL

Tree = dict[str, Any]
T = TypeVar("T")


class Observed(NamedTuple):
    """Knowledge of the caller about the running cluster, beside its objects."""

    sockets: Mapping[str, frozenset[Listener]] = {}
    """Listening sockets by the Pod's name."""
    tried: Tried | None = None
    egress: bool | None = None
    has_relay: bool = False


_WORKLOADS = {
    "deployments": "Deployment",
    "statefulsets": "StatefulSet",
    "daemonsets": "DaemonSet",
    "replicasets": "ReplicaSet",
}
_BATCH = {"jobs": "Job", "cronjobs": "CronJob"}
_BY_HAND = ("all_slices", "endpoints")
"""Lists that matter if a Service has neither selector nor slices."""


def lists(name: str, namespace: str, kind: str = "svc") -> dict[str, str]:
    """Returns the paths of the lists that every snapshot needs, by the names that `assemble` expects."""
    networking = "/apis/networking.k8s.io/v1"
    core, slices = "/api/v1", "/apis/discovery.k8s.io/v1"
    inside = f"/namespaces/{quote(namespace, safe='')}"
    return (
        {
            "services": f"{core}{inside}/services",
            "slices": f"{slices}{inside}/endpointslices?labelSelector={_label(name)}",
            "pods": f"{core}{inside}/pods",
            "events": f"{core}{inside}/events",
            "nodes": f"{core}/nodes",
            "policies": f"/apis/networking.k8s.io/v1{inside}/networkpolicies",
            "dns": f"{core}/namespaces/kube-system/services?fieldSelector={quote('metadata.name=kube-dns', safe='')}",
            "dns_slices": f"{slices}/namespaces/kube-system/endpointslices?labelSelector={_label('kube-dns')}",
        }
        | {plural: f"/apis/apps/v1{inside}/{plural}" for plural in _WORKLOADS}
        | (
            {"ingresses": f"{networking}{inside}/ingresses", "classes": f"{networking}/ingressclasses"}
            if kind == "ingress"
            else {}
        )
        | ({plural: f"/apis/batch/v1{inside}/{plural}" for plural in _BATCH} if kind in ("job", "cronjob") else {})
    )


def further_lists(snapshot: Snapshot) -> dict[str, str]:
    """Returns the paths of lists over all namespaces that the snapshot turns out to need."""
    if snapshot.kind != "svc":
        return {}
    if snapshot.service is None or is_external_name(snapshot.found.spec):
        return {"services": "/api/v1/services"}
    if not snapshot.found.spec.selector and not snapshot.slices:
        inside = f"/namespaces/{quote(snapshot.namespace, safe='')}"
        paths = f"/apis/discovery.k8s.io/v1{inside}/endpointslices", f"/api/v1{inside}/endpoints"
        return dict(zip(_BY_HAND, paths, strict=True))
    if snapshot.found.spec.selector and not snapshot.selected:
        return {"all_pods": "/api/v1/pods"}
    return {}


def assemble(
    name: str,
    namespace: str,
    listed: Mapping[str, bytes],
    *,
    kind: str = "svc",
    port: str = "",
) -> Snapshot:
    """Returns the snapshot of one object from the bodies of the fetched lists."""
    services = _decode(listed["services"], Service)
    service = next((s for s in services if s.metadata.name == name and s.metadata.namespace == namespace), None)
    service = service if kind == "svc" else None
    urls = service.metadata.annotations.get(HOST_URLS_ANNOTATION, "") if service is not None else ""
    pods = _decode(listed["pods"], Pod)
    workloads = [_workload(kind, tree) for plural, kind in _WORKLOADS.items() for tree in _trees(listed[plural])]
    runs = [
        read_run(kind, tree) for plural, kind in _BATCH.items() if plural in listed for tree in _trees(listed[plural])
    ]
    ingresses = _decode(listed["ingresses"], Ingress) if "ingresses" in listed else []
    classes = _trees(listed["classes"]) if "classes" in listed else []
    return Snapshot(
        name=name,
        namespace=namespace,
        port=port,
        service=service,
        services=services,
        slices=_decode(listed["slices"], EndpointSlice),
        pods=pods,
        kind=kind,
        chosen=_chosen(kind, name, pods, workloads) if kind not in RUNS else pods_of_run(RUNS[kind], name, runs, pods),
        runs=runs,
        ingress=next((one for one in ingresses if one.metadata.name == name), None),
        ingress_classes=[one["metadata"]["name"] for one in classes],
        workloads=workloads,
        events=sorted(_decode(listed["events"], Event), key=_time),
        nodes=_decode(listed["nodes"], Node),
        policies=_decode(listed["policies"], NetworkPolicy),
        dns=next(iter(_decode(listed["dns"], Service)), None),
        dns_slices=_decode(listed["dns_slices"], EndpointSlice),
        sockets={},
        host_urls=urls.split(",") if urls else (),
    )


def extended(snapshot: Snapshot, listed: Mapping[str, bytes]) -> Snapshot:
    """Returns the snapshot with the lists of `further_lists`."""
    if "services" in listed:
        return replace(snapshot, services=_decode(listed["services"], Service))
    if "all_slices" in listed:
        names = [tree["metadata"]["name"] for tree in _trees(listed["endpoints"])]
        return replace(snapshot, all_slices=_decode(listed["all_slices"], EndpointSlice), endpoints_names=names)
    everywhere = _decode(listed["all_pods"], Pod) if "all_pods" in listed else []
    return replace(snapshot, pods_elsewhere=[one for one in everywhere if one.metadata.namespace != snapshot.namespace])


def observed_in(snapshot: Snapshot, observed: Observed) -> Snapshot:
    """Returns the snapshot with what the caller knows about the running cluster."""
    return replace(
        snapshot,
        sockets=observed.sockets,
        tried=observed.tried,
        egress=observed.egress,
        host_urls_known=observed.has_relay,
    )


def _chosen(kind: str, name: str, pods: Sequence[Pod], workloads: Sequence[Workload]) -> Sequence[Pod] | None:
    if kind == "pod":
        found = [pod for pod in pods if pod.metadata.name == name]
        return found or None
    words = {"deploy": "Deployment", "sts": "StatefulSet", "ds": "DaemonSet", "rs": "ReplicaSet"}
    workload = next((one for one in workloads if (one.kind, one.name) == (words.get(kind), name)), None)
    if workload is None:
        return None
    owned = workload.selector.items()
    return [pod for pod in pods if owned and owned <= pod.metadata.labels.items()]


def _label(service: str) -> str:
    return quote(f"{SERVICE_NAME_LABEL}={service}", safe="")


class _List(msgspec.Struct, Generic[T]):
    """A list of the API; other fields are skipped."""

    items: list[T] = []


def _decode(body: bytes, type_: type[T]) -> list[T]:
    found: _List[T] = _decoder(cast("Hashable", type_)).decode(body)
    return found.items


@functools.cache
def _decoder(type_: Hashable) -> Any:
    return msgspec.json.Decoder(_List[type_])  # type: ignore[valid-type]


def _trees(body: bytes) -> list[Tree]:
    items: list[Tree] = msgspec.json.decode(body)["items"]
    return items


def _workload(kind: str, tree: Tree) -> Workload:
    spec, status = tree["spec"], tree.get("status", {})
    said = {(c["type"], c["status"]): c.get("message", "") for c in status.get("conditions", ())}
    return Workload(
        kind,
        tree["metadata"]["name"],
        spec.get("template", {}).get("metadata", {}).get("labels", {}),
        status.get("desiredNumberScheduled", 0) if kind == "DaemonSet" else spec.get("replicas", 1),
        said.get(("ReplicaFailure", "True"), ""),
        spec.get("selector", {}).get("matchLabels", {}),
        status.get("numberReady", 0) if kind == "DaemonSet" else status.get("readyReplicas", 0),
        said.get(("Progressing", "False"), ""),
        bool(spec.get("paused")),
        spec.get("serviceName", ""),
    )


def _time(event: Event) -> str:
    return event.lastTimestamp or (event.eventTime or "") or event.metadata.creationTimestamp or ""
