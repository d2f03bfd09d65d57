"""Session affinity: all connections of one client go to one Pod."""

from __future__ import annotations

from fairlead.api.core.service.predicates import AFFINITY_TIMEOUT_S, is_external_name
from fairlead.base.texts import text
from fairlead.explain.finding import Finding, note
from fairlead.explain.snapshot import Snapshot


def find(s: Snapshot) -> Finding | None:
    spec = s.found.spec
    if spec.sessionAffinity != "ClientIP" or is_external_name(spec):
        return None
    config = spec.sessionAffinityConfig
    timeout_s = (config.clientIP.timeoutSeconds if config and config.clientIP else None) or AFFINITY_TIMEOUT_S
    return note(
        text("sessionAffinity"),
        text(
            "sessionAffinity ClientIP sends all connections of one client address to the same Pod "
            "until it has made none for {timeout_s} seconds",
            timeout_s=timeout_s,
        ),
        cure=s.kubectl(f'patch svc {s.name} -p \'{{"spec":{{"sessionAffinity":"None"}}}}\''),
    )
