"""The port of the question: does the Service have it?"""

from __future__ import annotations

from fairlead.api.core.service.predicates import is_external_name
from fairlead.base.texts import text
from fairlead.explain.finding import Finding, fault, ok
from fairlead.explain.snapshot import Snapshot
from fairlead.service.decisions import DEFAULT_PROTOCOL


def find(s: Snapshot) -> Finding | None:
    spec = s.found.spec
    if not s.port or is_external_name(spec):
        return None
    looked_at = text("port {port} of the Service", port=s.port)
    if s.ports:
        return ok(looked_at)
    has = ", ".join(
        f"{port.port}/{port.protocol or DEFAULT_PROTOCOL}" + (f" ({port.name})" if port.name else "")
        for port in spec.ports
    )
    targets = [port for port in spec.ports if str(port.targetPort) == s.port]
    if targets:
        why = text(
            "{port} is the target port on the Pods; clients connect to port {port2}", port=s.port, port2=targets[0].port
        )
    else:
        why = text("it has {value}", value=(has or text("none")))
    return fault(
        looked_at,
        text("the Service has no port {port}: {why}", port=s.port, why=why),
        cure=s.kubectl(f"get svc {s.name}"),
    )
