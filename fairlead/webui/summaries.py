"""Summaries of objects for the page: the fields that its lists and pictures show. Pure functions of JSON trees.

2,000 Pods are 7 MB as objects and 0.5 MB as summaries; a browser then parses and keeps a tenth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from fairlead.api.core.service.predicates import typed
from fairlead.base.dataclass import dataclass
from fairlead.service.wellknown import HOST_URLS_ANNOTATION, SERVICE_NAME_LABEL, TRIGGER_TIME_ANNOTATION

Tree = dict[str, Any]


class Meta(TypedDict, total=False):
    """The metadata that summaries read. A decoder skips the rest, of which `managedFields` are half of an object."""

    name: str
    namespace: str
    uid: str
    labels: dict[str, str]
    annotations: dict[str, str]
    creationTimestamp: str
    deletionTimestamp: str
    ownerReferences: list[dict[str, Any]]


class Item(TypedDict, total=False):
    """An object as a decoder reads it for `summary`: all fields of the kinds in `TOPICS`, with less metadata."""

    metadata: Meta
    spec: Any
    status: Any
    addressType: Any
    endpoints: Any
    ports: Any
    involvedObject: Any
    series: Any
    lastTimestamp: Any
    firstTimestamp: Any
    eventTime: Any
    type: Any
    reason: Any
    message: Any
    count: Any
    source: Any
    reportingComponent: Any


@dataclass(frozen=True, slots=True)
class Topic:
    """A resource that the page can follow."""

    prefix: str
    """The path before `namespaces/…`, such as `/api/v1`."""
    summary: Callable[[Tree], Tree]
    namespaced: bool = True

    def path(self, plural: str, namespace: str) -> str:
        inside = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return f"{self.prefix}{inside}/{plural}"


def key(tree: Tree) -> str:
    """Returns `namespace/name`, or the name alone."""
    meta = tree["metadata"]
    return f"{meta['namespace']}/{meta['name']}" if meta.get("namespace") else str(meta["name"])


def _base(tree: Tree) -> Tree:
    meta = tree["metadata"]
    base: Tree = {"k": key(tree), "uid": meta.get("uid", ""), "created": meta.get("creationTimestamp", "")}
    if meta.get("labels"):
        base["labels"] = meta["labels"]
    if meta.get("deletionTimestamp"):
        base["deleting"] = meta["deletionTimestamp"]
    for owner in meta.get("ownerReferences", ()):
        if owner.get("controller"):
            base["owner"] = f"{owner['kind']}/{owner['name']}"
    return base


def service(tree: Tree) -> Tree:
    spec, status = tree["spec"], tree.get("status", {})
    ingress = status.get("loadBalancer", {}).get("ingress", ())
    return _base(tree) | {
        "type": typed(spec).type,
        "ips": spec.get("clusterIPs", []),
        "ports": spec.get("ports", []),
        "selector": spec.get("selector") or {},
        "external": [one.get("ip") or one.get("hostname", "") for one in ingress] + spec.get("externalIPs", []),
        "externalName": spec.get("externalName", ""),
        "urls": _urls(tree),
    }


def _urls(tree: Tree) -> dict[str, str]:
    """Returns the URLs on the host by `port/protocol`."""
    noted = tree["metadata"].get("annotations", {}).get(HOST_URLS_ANNOTATION, "")
    pairs = (entry.partition("=") for entry in noted.split(","))
    return {port: url for port, equals, url in pairs if equals}


def endpoint_slice(tree: Tree) -> Tree:
    meta = tree["metadata"]
    return _base(tree) | {
        "service": f"{meta.get('namespace', '')}/{meta.get('labels', {}).get(SERVICE_NAME_LABEL, '')}",
        "family": tree.get("addressType", ""),
        "ports": tree.get("ports") or [],
        "endpoints": [_endpoint(one) for one in tree.get("endpoints") or ()],
        "changed": meta.get("annotations", {}).get(TRIGGER_TIME_ANNOTATION, ""),
    }


def _endpoint(one: Tree) -> Tree:
    conditions = one.get("conditions", {})
    if conditions.get("terminating"):
        state = "serving while terminating" if conditions.get("serving") else "terminating"
    else:
        state = "not ready" if conditions.get("ready") is False else "ready"
    target = one.get("targetRef", {})
    return {
        "ip": next(iter(one.get("addresses", ())), ""),
        "state": state,
        "node": one.get("nodeName", ""),
        "pod": target.get("name", "") if target.get("kind") == "Pod" else "",
    }


def pod(tree: Tree) -> Tree:
    spec, status = tree["spec"], tree.get("status", {})
    states = {one["name"]: one for one in status.get("containerStatuses", ())}
    containers = [_container(one, states.get(one["name"], {})) for one in spec.get("containers", ())]
    conditions = {one["type"]: one for one in status.get("conditions", ())}
    reason = next((one["reason"] for one in containers if one["reason"]), status.get("reason", ""))
    return _base(tree) | {
        "phase": status.get("phase", "Pending"),
        "reason": reason,
        "ready": conditions.get("Ready", {}).get("status") == "True",
        "ips": [one["ip"] for one in status.get("podIPs", ())],
        "node": spec.get("nodeName", ""),
        "containers": containers,
        "init": [one["name"] for one in spec.get("initContainers", ())],
        "restarts": sum(one["restarts"] for one in containers),
        "since": {name: one.get("lastTransitionTime", "") for name, one in conditions.items()},
    }


def _container(spec: Tree, status: Tree) -> Tree:
    state: Mapping[str, Tree] = status.get("state") or {}
    kind, detail = next(iter(state.items()), ("waiting", {}))
    reason = detail.get("reason", "") if kind != "running" else ""
    return {
        "name": spec["name"],
        "image": spec.get("image", ""),
        "state": kind,
        "reason": "" if reason == "Completed" else reason,
        "ready": bool(status.get("ready")),
        "restarts": status.get("restartCount", 0),
        "started": detail.get("startedAt", ""),
    }


def node(tree: Tree) -> Tree:
    spec, status = tree.get("spec", {}), tree.get("status", {})
    conditions = {one["type"]: one["status"] for one in status.get("conditions", ())}
    return _base(tree) | {
        "ready": conditions.get("Ready") == "True",
        "ips": [one["address"] for one in status.get("addresses", ()) if one["type"] == "InternalIP"],
        "podCIDRs": spec.get("podCIDRs", []),
        "unschedulable": bool(spec.get("unschedulable")),
        "version": status.get("nodeInfo", {}).get("kubeletVersion", ""),
    }


def workload(tree: Tree) -> Tree:
    spec, status = tree.get("spec", {}), tree.get("status", {})
    template = spec.get("template", {}).get("spec", {})
    return _base(tree) | {
        "desired": spec.get("replicas", status.get("desiredNumberScheduled", spec.get("completions", 1))),
        "ready": status.get("readyReplicas", status.get("numberReady", status.get("succeeded", 0))) or 0,
        "updated": status.get("updatedReplicas", status.get("updatedNumberScheduled")),
        "images": [one.get("image", "") for one in template.get("containers", ())],
        "suspended": bool(spec.get("suspend")),
        "paused": bool(spec.get("paused")),
    }


def cron_job(tree: Tree) -> Tree:
    spec, status = tree.get("spec", {}), tree.get("status", {})
    return _base(tree) | {
        "schedule": spec.get("schedule", ""),
        "suspended": bool(spec.get("suspend")),
        "active": len(status.get("active") or ()),
        "last": status.get("lastScheduleTime", ""),
    }


def event(tree: Tree) -> Tree:
    about = tree.get("involvedObject", {})
    series = tree.get("series") or {}
    last = series.get("lastObservedTime") or tree.get("lastTimestamp") or tree.get("eventTime")
    return {
        "k": key(tree),
        "type": tree.get("type", ""),
        "reason": tree.get("reason", ""),
        "message": tree.get("message", ""),
        "about": f"{about.get('kind', '')}/{about.get('name', '')}",
        "namespace": about.get("namespace", ""),
        "count": series.get("count") or tree.get("count") or 1,
        "last": last or tree["metadata"].get("creationTimestamp", ""),
        "first": tree.get("firstTimestamp") or tree["metadata"].get("creationTimestamp", ""),
        "from": tree.get("source", {}).get("component") or tree.get("reportingComponent", ""),
    }


def ingress(tree: Tree) -> Tree:
    rules = tree.get("spec", {}).get("rules") or ()
    return _base(tree) | {
        "class": tree.get("spec", {}).get("ingressClassName", ""),
        "hosts": [one.get("host", "*") for one in rules],
        "services": sorted(
            {
                path["backend"]["service"]["name"]
                for one in rules
                for path in one.get("http", {}).get("paths", ())
                if "service" in path.get("backend", {})
            }
        ),
    }


TOPICS: Mapping[str, Topic] = {
    "services": Topic("/api/v1", service),
    "endpointslices": Topic("/apis/discovery.k8s.io/v1", endpoint_slice),
    "pods": Topic("/api/v1", pod),
    "nodes": Topic("/api/v1", node, namespaced=False),
    "namespaces": Topic("/api/v1", _base, namespaced=False),
    "events": Topic("/api/v1", event),
    "deployments": Topic("/apis/apps/v1", workload),
    "statefulsets": Topic("/apis/apps/v1", workload),
    "daemonsets": Topic("/apis/apps/v1", workload),
    "replicasets": Topic("/apis/apps/v1", workload),
    "jobs": Topic("/apis/batch/v1", workload),
    "cronjobs": Topic("/apis/batch/v1", cron_job),
    "ingresses": Topic("/apis/networking.k8s.io/v1", ingress),
}
