"""Endpoints that terminate: the last Pods are shutting down and no successor is there."""

from __future__ import annotations

from fairlead.base.texts import text
from fairlead.explain.finding import Finding, fault
from fairlead.explain.snapshot import Snapshot


def find(s: Snapshot) -> Finding | None:
    pods = s.selected
    if not pods or not all(pod.metadata.deletionTimestamp for pod in pods):
        return None
    names = ", ".join(pod.metadata.name for pod in pods)
    return fault(
        text("state of the endpoints"),
        text(
            "all endpoints are terminating: {names} is being deleted, and no other Pod matches the selector",
            names=names,
        ),
        text("connections go to terminating Pods only while they still serve"),
        cure=s.kubectl("get deployments,statefulsets,pods"),
    )
