"""The selector: does it match Pods, and if not, which labels did the author mean?"""

from __future__ import annotations

import json

from fairlead.api.core.service.predicates import is_external_name
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.base.texts import text
from fairlead.explain.finding import Finding, fault, ok
from fairlead.explain.labels import like, nearest
from fairlead.explain.snapshot import Snapshot, matching, render_labels
from fairlead.explain.words import Message, pods_of, then
from fairlead.service.decisions import DEFAULT_PROTOCOL
from fairlead.service.wellknown import SERVICE_NAME_LABEL

_LIKE = 0.6
"""Smallest likeness of the names of a Service and of a slice that is meant for it."""


def find(s: Snapshot) -> Finding | None:
    spec = s.found.spec
    if is_external_name(spec):
        return None
    if not spec.selector:
        return _without_selector(s)
    shown = render_labels(spec.selector)
    looked_at = text("selector {shown} and the Pods of namespace {namespace}", shown=shown, namespace=s.namespace)
    if s.selected:
        return ok(text("selector {shown} matches {pods}", shown=shown, pods=pods_of(len(s.selected))))
    cause = text("the selector {shown} matches no Pod in namespace {namespace}", shown=shown, namespace=s.namespace)
    return _workload(s, looked_at, cause) or _finished(s, looked_at, cause) or _near(s, looked_at, cause)


def _without_selector(s: Snapshot) -> Finding:
    looked_at = text("selector and EndpointSlices")
    if any(piece.endpoints for piece in s.slices):
        return _other_port_names(s) or ok(text("no selector; the EndpointSlices are written by hand"))
    if found := _unlabelled(s, looked_at) or _foreign_endpoints(s, looked_at):
        return found
    labels = next((one.labels for one in s.workloads if one.name == s.name), {"app": s.name})
    return fault(
        looked_at,
        text("the Service has no selector and no EndpointSlice names it, so it has no endpoints"),
        cure=s.kubectl(f"set selector svc {s.name} {render_labels(labels)}"),
    )


def _unlabelled(s: Snapshot, looked_at: Message) -> Finding | None:
    """Returns the fault of a slice that is meant for the Service, and whose label does not name it."""
    services = {one.metadata.name for one in s.services if one.metadata.namespace == s.namespace}
    astray = [one for one in s.all_slices if one.metadata.labels.get(SERVICE_NAME_LABEL, "") not in services]
    meant = max(astray, key=lambda one: _fits(s, one), default=None)
    if meant is None or _fits(s, meant) < _LIKE:
        return None
    name, given = meant.metadata.name, meant.metadata.labels.get(SERVICE_NAME_LABEL)
    cause = (
        text(
            "EndpointSlice {name} lacks the label {label}, which names its Service", name=name, label=SERVICE_NAME_LABEL
        )
        if given is None
        else text(
            "EndpointSlice {name} names Service {given} in its label {label}, and there is no such Service",
            name=name,
            given=given,
            label=SERVICE_NAME_LABEL,
        )
    )
    label = f"label endpointslice {name} {SERVICE_NAME_LABEL}={s.name}" + (" --overwrite" if given is not None else "")
    return fault(looked_at, text("the Service has no endpoints: {cause}", cause=cause), cure=s.kubectl(label))


def _fits(s: Snapshot, piece: EndpointSlice) -> float:
    """Returns how likely a slice is meant for the Service: by the beginning of its name, then by its ports."""
    name, given = piece.metadata.name, piece.metadata.labels.get(SERVICE_NAME_LABEL, "")
    if name == s.name or name.startswith((f"{s.name}-", f"{s.name}.")):
        return 1.0
    ports = {(port.name or "", port.protocol or DEFAULT_PROTOCOL) for port in piece.ports or ()}
    wanted = {(port.name or "", port.protocol or DEFAULT_PROTOCOL) for port in s.found.spec.ports}
    return max(like(name, s.name), like(given, s.name)) if ports & wanted else 0.0


def _foreign_endpoints(s: Snapshot, looked_at: Message) -> Finding | None:
    """Returns the fault of an Endpoints object whose name, by which it belongs to a Service, is another."""
    services = {one.metadata.name for one in s.services if one.metadata.namespace == s.namespace}
    orphans = [one for one in s.endpoints_names if one not in services]
    near = max(orphans, key=lambda n: _nearness(n, s.name), default="")
    if not near or _nearness(near, s.name) < _LIKE:
        return None
    return fault(
        looked_at,
        text(
            "the Service has no endpoints: Endpoints {name} belong to a Service of the same name, and there is none",
            name=near,
        ),
        cure=then(
            s.kubectl(f"get endpoints {near} -o yaml"), text("create them again with the name {name}", name=s.name)
        ),
    )


def _nearness(name: str, service: str) -> float:
    """Returns how likely an object is meant for a Service by its name."""
    return 1.0 if name.startswith((f"{service}-", f"{service}.")) else like(name, service)


def _other_port_names(s: Snapshot) -> Finding | None:
    """Returns the fault of a port that no slice has by its name, by which the two are matched."""
    there = sorted({port.name or "" for piece in s.slices for port in piece.ports or ()})
    for at, port in enumerate(s.found.spec.ports):
        if not there or (port.name or "") in there or port not in s.ports:
            continue
        meant = there[0] if there else ""
        change = {"op": "replace" if meant else "remove", "path": f"/spec/ports/{at}/name"}
        patch = json.dumps([change | ({"value": meant} if meant else {})], separators=(",", ":"))
        return fault(
            text("port names of the EndpointSlices"),
            text(
                'no EndpointSlice has a port named "{name}": port {port} has no endpoint',
                name=port.name or "",
                port=port.port,
            ),
            text("names of the slices' ports: {names}", names=", ".join(one or '""' for one in there)),
            cure=s.kubectl(f"patch svc {s.name} --type json -p '{patch}'") if len(s.found.spec.ports) == 1 else "",
        )
    return None


def _workload(s: Snapshot, looked_at: Message, cause: Message) -> Finding | None:
    """Returns the fault of a workload whose Pods would match."""
    wanted = s.found.spec.selector.items()
    for one in s.workloads:
        what = text("{kind} {one}", kind=one.kind, one=one.name)
        if not wanted <= one.labels.items():
            continue
        if one.failure:
            return fault(
                looked_at,
                text("{cause}: {what} cannot create its Pods: {failure}", cause=cause, what=what, failure=one.failure),
                cure=s.kubectl(f"describe {one.kind.lower()} {one.name}"),
            )
        if one.replicas == 0:
            return fault(
                looked_at,
                text("{cause}: {what} is scaled to 0", cause=cause, what=what),
                cure=s.kubectl(f"scale {one.kind.lower()} {one.name} --replicas 1"),
            )
        if one.paused:
            return fault(
                looked_at,
                text("{cause}: {what} is paused, and has made no Pods", cause=cause, what=what),
                cure=s.kubectl(f"rollout resume {one.kind.lower()} {one.name}"),
            )
    return None


def _finished(s: Snapshot, looked_at: Message, cause: Message) -> Finding | None:
    finished = matching(s.found.spec.selector, s.pods)
    if not finished:
        return None
    pod = finished[0]
    return fault(
        looked_at,
        text(
            "{cause} that still runs: Pod {pod} has finished ({phase})",
            cause=cause,
            pod=pod.metadata.name,
            phase=pod.status.phase,
        ),
        cure=s.kubectl(f"logs {pod.metadata.name}"),
    )


def _near(s: Snapshot, looked_at: Message, cause: Message) -> Finding:
    selector = s.found.spec.selector
    elsewhere = matching(selector, s.pods_elsewhere)
    near = nearest(selector, s.pods)
    if elsewhere and near is None:
        names = sorted({pod.metadata.namespace for pod in elsewhere})
        namespaces = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
        return fault(
            looked_at,
            text(
                "{cause}; the Pods that it matches are in namespace {namespaces}, and a selector does "
                "not reach into other namespaces",
                cause=cause,
                namespaces=namespaces,
            ),
            text(
                "Pod {pod} in {namespace} has these labels",
                pod=elsewhere[0].metadata.name,
                namespace=elsewhere[0].metadata.namespace,
            ),
            cure=then(
                f"kubectl get svc {s.name} -n {s.namespace} -o yaml",
                text("create the Service in {namespace} instead", namespace=names[0]),
            ),
        )
    if near is not None:
        pod, labels = near
        return fault(
            looked_at,
            text("{cause}; did you mean {labels}?", cause=cause, labels=render_labels(labels)),
            text("Pod {pod} has the labels {labels}", pod=pod.metadata.name, labels=render_labels(pod.metadata.labels)),
            cure=s.kubectl(f"set selector svc {s.name} {render_labels(labels)}"),
        )
    far = nearest(selector, s.pods_elsewhere)
    hint = (
        (
            text(
                "the nearest labels are those of Pod {pod} in {namespace}",
                pod=far[0].metadata.name,
                namespace=far[0].metadata.namespace,
            ),
        )
        if far
        else ()
    )
    labels_here = sorted({render_labels(pod.metadata.labels) for pod in s.pods})[:5]
    return fault(
        looked_at,
        cause,
        *hint,
        text("labels of Pods here: {names}", names=("; ".join(labels_here) or text("the namespace has no Pods"))),
        cure=s.kubectl("get pods --show-labels"),
    )
