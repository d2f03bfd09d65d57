"""EndpointSlices: do they list the ready Pods?"""

from __future__ import annotations

from fairlead.explain.finding import Finding, ok, unknown
from fairlead.explain.snapshot import Snapshot, count


def find(s: Snapshot) -> Finding | None:
    if s.found.spec.type == "ExternalName":
        return None
    serving = s.serving
    if serving:
        return ok(f"EndpointSlices: {count(len(serving), 'endpoint')} in service")
    if not s.ready_pods:
        return None
    return unknown(
        "EndpointSlices",
        f"{count(len(s.ready_pods), 'ready Pod')} and no endpoint: the controller of EndpointSlices is behind, or does "
        "not run",
        cure=s.kubectl(f"get endpointslices -l kubernetes.io/service-name={s.name}"),
    )
