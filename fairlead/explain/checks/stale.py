"""Connection tracking: do UDP clients still send to endpoints that are gone?"""

from __future__ import annotations

from fairlead.explain.finding import Finding, note, ok
from fairlead.explain.snapshot import Snapshot, count


def find(s: Snapshot) -> Finding | None:
    if s.tried is None or not any(port.protocol == "UDP" for port in s.ports):
        return None
    looked_at = "connections that the kernels track"
    if not s.tried.stale:
        return ok(f"{looked_at}: none to endpoints that are gone")
    return note(
        looked_at,
        f"{count(len(s.tried.stale), 'client')} still sending to an endpoint that is gone (stale conntrack entries)",
        *s.tried.stale[:3],
        cure="fairlead logs --tail 20",
    )
