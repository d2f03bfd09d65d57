"""Selectors that overlap: the Service also sends to Pods that belong to another workload."""

from __future__ import annotations

from fairlead.api.core.service.predicates import is_external_name
from fairlead.base.texts import text
from fairlead.explain.finding import Finding, note
from fairlead.explain.snapshot import Snapshot, render_labels


def find(s: Snapshot) -> Finding | None:
    owners = {_owner(s, pod.metadata.name) for pod in s.selected} - {""}
    others = [
        one.metadata.name
        for one in s.services
        if one.metadata.name != s.name and one.metadata.namespace == s.namespace and not is_external_name(one.spec)
        if one.spec.selector and one.spec.selector != s.found.spec.selector
        if any(one.spec.selector.items() <= pod.metadata.labels.items() for pod in s.selected)
    ]
    looked_at = text("other Services and workloads with the same Pods")
    if len(owners) > 1:
        return note(
            looked_at,
            text(
                "the selector {labels} matches Pods of {names}: connections are spread over all of them",
                labels=render_labels(s.found.spec.selector),
                names=", ".join(sorted(owners)),
            ),
            cure=s.kubectl("get pods --show-labels"),
        )
    if others:
        return note(
            looked_at,
            text("the Pods also belong to Service {names}, whose selector overlaps", names=", ".join(sorted(others))),
        )
    return None


def _owner(s: Snapshot, pod_name: str) -> str:
    """Returns the workload of the Pod: that whose labels the Pod has and whose name the Pod's begins with."""
    pod = next(pod for pod in s.selected if pod.metadata.name == pod_name)
    names = [
        f"{one.kind.lower()}/{one.name}"
        for one in s.workloads
        if one.kind != "ReplicaSet" and one.labels and one.labels.items() <= pod.metadata.labels.items()
        if pod_name.startswith(f"{one.name}-")
    ]
    return max(names, key=len, default="")
