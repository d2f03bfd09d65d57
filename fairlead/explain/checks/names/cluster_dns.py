"""The cluster's DNS: does kube-dns have an endpoint?"""

from __future__ import annotations

from fairlead.base.texts import text
from fairlead.explain.finding import Finding, fault, ok
from fairlead.explain.snapshot import Snapshot
from fairlead.service.decisions import is_ready


def find(s: Snapshot) -> Finding | None:
    looked_at = text("Service kube-dns in namespace kube-system")
    if s.dns is None:
        return fault(
            looked_at,
            text(
                "the cluster has no DNS: Service kube-dns does not exist in namespace kube-system, so no name resolves"
            ),
            cure="kubectl get svc,endpointslices -n kube-system",
        )
    ready = [e for piece in s.dns_slices for e in piece.endpoints if is_ready(e.conditions.ready)]
    if not ready:
        return fault(
            looked_at,
            text("the cluster's DNS is down: kube-dns has no ready endpoint, so no name resolves"),
            cure="kubectl get pods,endpointslices -n kube-system",
        )
    return ok(text("{looked_at}: {number} ready", looked_at=looked_at, number=len(ready)))
