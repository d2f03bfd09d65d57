"""The port of the question: does the Service have it?"""

from __future__ import annotations

from fairlead.explain.finding import Finding, fault, ok
from fairlead.explain.snapshot import Snapshot
from fairlead.service.decisions import DEFAULT_PROTOCOL


def find(s: Snapshot) -> Finding | None:
    spec = s.found.spec
    if not s.port or spec.type == "ExternalName":
        return None
    looked_at = f"port {s.port} of the Service"
    if s.ports:
        return ok(looked_at)
    has = ", ".join(
        f"{port.port}/{port.protocol or DEFAULT_PROTOCOL}" + (f" ({port.name})" if port.name else "")
        for port in spec.ports
    )
    targets = [port for port in spec.ports if str(port.targetPort) == s.port]
    if targets:
        why = f"{s.port} is the target port on the Pods; clients connect to port {targets[0].port}"
    else:
        why = f"it has {has or 'none'}"
    return fault(looked_at, f"the Service has no port {s.port}: {why}", cure=s.kubectl(f"get svc {s.name}"))
