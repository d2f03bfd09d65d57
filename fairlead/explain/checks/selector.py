"""The selector: does it match Pods, and if not, which labels did the author mean?"""

from __future__ import annotations

from fairlead.explain.finding import Finding, fault, ok
from fairlead.explain.labels import nearest
from fairlead.explain.snapshot import Snapshot, count, matching, render_labels


def find(s: Snapshot) -> Finding | None:
    spec = s.found.spec
    if spec.type == "ExternalName":
        return None
    if not spec.selector:
        return _without_selector(s)
    text = render_labels(spec.selector)
    looked_at = f"selector {text} and the Pods of namespace {s.namespace}"
    if s.selected:
        return ok(f"selector {text} matches {count(len(s.selected), 'Pod')}")
    cause = f"the selector {text} matches no Pod in namespace {s.namespace}"
    return _workload(s, looked_at, cause) or _finished(s, looked_at, cause) or _near(s, looked_at, cause)


def _without_selector(s: Snapshot) -> Finding:
    looked_at = "selector and EndpointSlices"
    if any(piece.endpoints for piece in s.slices):
        return ok("no selector; the EndpointSlices are written by hand")
    labels = next((one.labels for one in s.workloads if one.name == s.name), {"app": s.name})
    return fault(
        looked_at,
        "the Service has no selector and no EndpointSlice names it, so it has no endpoints",
        cure=s.kubectl(f"set selector svc {s.name} {render_labels(labels)}"),
    )


def _workload(s: Snapshot, looked_at: str, cause: str) -> Finding | None:
    """Returns the fault of a workload whose Pods would match."""
    wanted = s.found.spec.selector.items()
    for one in s.workloads:
        what = f"{one.kind} {one.name}"
        if not wanted <= one.labels.items():
            continue
        if one.failure:
            return fault(
                looked_at,
                f"{cause}: {what} cannot create its Pods: {one.failure}",
                cure=s.kubectl(f"describe {one.kind.lower()} {one.name}"),
            )
        if one.replicas == 0:
            return fault(
                looked_at,
                f"{cause}: {what} is scaled to 0",
                cure=s.kubectl(f"scale {one.kind.lower()} {one.name} --replicas 1"),
            )
    return None


def _finished(s: Snapshot, looked_at: str, cause: str) -> Finding | None:
    finished = matching(s.found.spec.selector, s.pods)
    if not finished:
        return None
    pod = finished[0]
    return fault(
        looked_at,
        f"{cause} that still runs: Pod {pod.metadata.name} has finished ({pod.status.phase})",
        cure=s.kubectl(f"logs {pod.metadata.name}"),
    )


def _near(s: Snapshot, looked_at: str, cause: str) -> Finding:
    selector = s.found.spec.selector
    elsewhere = matching(selector, s.pods_elsewhere)
    near = nearest(selector, s.pods)
    if elsewhere and near is None:
        namespaces = ", ".join(sorted({pod.metadata.namespace for pod in elsewhere}))
        return fault(
            looked_at,
            f"{cause}; the Pods that it matches are in namespace {namespaces}, and a selector does not reach into "
            "other namespaces",
            f"Pod {elsewhere[0].metadata.name} in {elsewhere[0].metadata.namespace} has these labels",
            cure=f"kubectl get svc {s.name} -n {s.namespace} -o yaml  # create the Service in {namespaces} instead",
        )
    if near is not None:
        pod, labels = near
        return fault(
            looked_at,
            f"{cause}; did you mean {render_labels(labels)}?",
            f"Pod {pod.metadata.name} has the labels {render_labels(pod.metadata.labels)}",
            cure=s.kubectl(f"set selector svc {s.name} {render_labels(labels)}"),
        )
    far = nearest(selector, s.pods_elsewhere)
    hint = (
        (f"the nearest labels are those of Pod {far[0].metadata.name} in {far[0].metadata.namespace}",) if far else ()
    )
    labels_here = sorted({render_labels(pod.metadata.labels) for pod in s.pods})[:5]
    return fault(
        looked_at,
        cause,
        *hint,
        f"labels of Pods here: {'; '.join(labels_here) or 'the namespace has no Pods'}",
        cure=s.kubectl("get pods --show-labels"),
    )
