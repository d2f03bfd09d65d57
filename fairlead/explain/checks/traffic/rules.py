"""The rules in the kernel: do they lead to an endpoint, and are they those that the objects demand?"""

from __future__ import annotations

from fairlead.base.texts import text
from fairlead.explain.finding import Finding, fault, ok
from fairlead.explain.snapshot import Snapshot


def find(s: Snapshot) -> Finding | None:
    if s.tried is None or not s.tried.routes:
        return None
    looked_at = text("rules in the kernel, for packets from {sender}", sender=s.tried.sender)
    cure = f"fairlead rules svc/{s.name} --diff plan" + ("" if s.namespace == "default" else f" -n {s.namespace}")
    for route in s.tried.routes:
        if route.differences:
            return fault(
                looked_at,
                text(
                    "the kernel's rules for port {port} are not those that the Service and its slices demand",
                    port=route.port,
                ),
                *route.differences[:3],
                cure=cure,
            )
    for route in s.tried.routes:
        if route.ends:
            return fault(
                looked_at,
                text("packets to port {port} end without an endpoint: {first}", port=route.port, first=route.ends[0]),
                cure=cure,
            )
    return ok(text("{looked_at}: every end is an endpoint", looked_at=looked_at))
