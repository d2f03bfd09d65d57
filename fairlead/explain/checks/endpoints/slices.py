"""EndpointSlices: do they list the ready Pods?"""

from __future__ import annotations

from fairlead.api.core.service.predicates import is_external_name
from fairlead.base.texts import text
from fairlead.explain.finding import Finding, ok, unknown
from fairlead.explain.snapshot import Snapshot
from fairlead.explain.words import endpoints_of, ready_pods_of
from fairlead.service.wellknown import SERVICE_NAME_LABEL


def find(s: Snapshot) -> Finding | None:
    if is_external_name(s.found.spec):
        return None
    serving = s.serving
    if serving:
        return ok(text("EndpointSlices: {endpoints} in service", endpoints=endpoints_of(len(serving))))
    if not s.ready_pods:
        return None
    return unknown(
        text("EndpointSlices"),
        text(
            "{pods} and no endpoint: the controller of EndpointSlices is behind, or does not run",
            pods=ready_pods_of(len(s.ready_pods)),
        ),
        cure=s.kubectl(f"get endpointslices -l {SERVICE_NAME_LABEL}={s.name}"),
    )
