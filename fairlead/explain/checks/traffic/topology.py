"""Topology: which endpoints do clients on a node reach, if hints or a traffic distribution prefer near ones?"""

from __future__ import annotations

from fairlead.base.texts import text
from fairlead.explain.finding import Finding, note
from fairlead.explain.snapshot import Snapshot
from fairlead.service.wellknown import SERVICE_NAME_LABEL


def find(s: Snapshot) -> Finding | None:
    distribution = s.found.spec.trafficDistribution or ""
    hinted = [endpoint for endpoint in s.serving if endpoint.hints is not None]
    if not distribution and not hinted:
        return None
    looked_at = text("hints of the endpoints")
    zones = sorted({zone.name for endpoint in hinted for zone in (endpoint.hints.forZones if endpoint.hints else ())})
    if distribution and not hinted:
        return note(
            looked_at,
            text(
                "trafficDistribution {distribution} has no effect yet: no endpoint has hints (nodes "
                "without the label topology.kubernetes.io/zone, or too few endpoints)",
                distribution=distribution,
            ),
            cure="kubectl get nodes -L topology.kubernetes.io/zone",
        )
    unzoned = [endpoint for endpoint in s.serving if endpoint.hints is None]
    if unzoned:
        return note(
            looked_at, text("hints are ignored, because some endpoints have none: all endpoints serve all clients")
        )
    return note(
        looked_at,
        text(
            "clients prefer the endpoints of their own zone ({names}); endpoints of other zones "
            "serve only clients without an endpoint near them",
            names=(", ".join(zones) or text("none")),
        ),
        cure=s.kubectl(f"get endpointslices -l {SERVICE_NAME_LABEL}={s.name} -o yaml"),
    )
