"""A Pod that connects to itself through its Service."""

from __future__ import annotations

from fairlead.base.texts import text
from fairlead.explain.finding import Finding, note
from fairlead.explain.snapshot import Snapshot


def find(s: Snapshot) -> Finding | None:
    if s.tried is None:
        return None
    name = s.tried.sender.removeprefix("pod/")
    if name == s.tried.sender or name not in {pod.metadata.name for pod in s.selected}:
        return None
    return note(
        text("the sender and the Service's Pods"),
        text(
            "Pod {name} is an endpoint of the Service: if it reaches itself, it sees its node's address as the client",
            name=name,
        ),
    )
