"""Connection tracking: do UDP clients still send to endpoints that are gone?"""

from __future__ import annotations

from fairlead.base.texts import text
from fairlead.explain.finding import Finding, note, ok
from fairlead.explain.snapshot import Snapshot
from fairlead.explain.words import clients_of


def find(s: Snapshot) -> Finding | None:
    if s.tried is None or not any(port.protocol == "UDP" for port in s.ports):
        return None
    looked_at = text("connections that the kernels track")
    if not s.tried.stale:
        return ok(text("{looked_at}: none to endpoints that are gone", looked_at=looked_at))
    return note(
        looked_at,
        text(
            "{clients} still sending to an endpoint that is gone (stale conntrack entries)",
            clients=clients_of(len(s.tried.stale)),
        ),
        *s.tried.stale[:3],
        cure="fairlead logs --tail 20",
    )
