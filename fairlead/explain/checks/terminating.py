"""Endpoints that terminate: the last Pods are shutting down and no successor is there."""

from __future__ import annotations

from fairlead.explain.finding import Finding, fault
from fairlead.explain.snapshot import Snapshot


def find(s: Snapshot) -> Finding | None:
    pods = s.selected
    if not pods or not all(pod.metadata.deletionTimestamp for pod in pods):
        return None
    names = ", ".join(pod.metadata.name for pod in pods)
    return fault(
        "state of the endpoints",
        f"all endpoints are terminating: {names} is being deleted, and no other Pod matches the selector",
        "connections go to terminating Pods only while they still serve",
        cure=s.kubectl("get deployments,statefulsets,pods"),
    )
