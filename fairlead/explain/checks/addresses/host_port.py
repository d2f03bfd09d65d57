"""The host's side of a published port: is it open on this machine?"""

from __future__ import annotations

from fairlead.api.core.service.predicates import may_have_node_ports
from fairlead.base.texts import text
from fairlead.explain.finding import Finding, note, ok
from fairlead.explain.snapshot import Snapshot

_EVENT = "NodePortNotPublished"
"""The reason of the relay's event about a port of this machine that is in use."""


def find(s: Snapshot) -> Finding | None:
    if not may_have_node_ports(s.found.spec) or not s.host_urls_known:
        return None
    taken = next((e for e in s.events_of("Service", s.name) if e.reason == _EVENT), None)
    open_ports = {entry.partition("=")[0]: entry.partition("=")[2] for entry in s.host_urls if "=" in entry}
    closed = [
        f"{port.port}/{port.protocol or 'TCP'}"
        for port in s.ports
        if port.protocol != "SCTP" and f"{port.port}/{port.protocol or 'TCP'}" not in open_ports
    ]
    looked_at = text("ports of this machine")
    if not closed:
        return ok(text("{looked_at}: {names}", looked_at=looked_at, names=", ".join(sorted(open_ports.values()))))
    if not s.serving:
        return None  # the relay opens a port when an endpoint serves
    cause = text("port {names} is not open on this machine", names=", ".join(closed))
    evidence = (taken.message,) if taken is not None else ()
    return note(looked_at, cause, *evidence, cure=s.kubectl(f"describe svc {s.name}"))
