"""`loadBalancerSourceRanges`: clients outside the ranges are dropped."""

from __future__ import annotations

from fairlead.api.core.service.predicates import is_load_balancer
from fairlead.base.texts import text
from fairlead.explain.finding import Finding, note
from fairlead.explain.snapshot import Snapshot


def find(s: Snapshot) -> Finding | None:
    spec = s.found.spec
    if not is_load_balancer(spec) or not spec.loadBalancerSourceRanges:
        return None
    ranges = ", ".join(spec.loadBalancerSourceRanges)
    return note(
        text("loadBalancerSourceRanges"),
        text(
            "only clients in {ranges} reach the load balancer's address; packets of all others are dropped",
            ranges=ranges,
        ),
        cure=s.kubectl(f'patch svc {s.name} --type merge -p \'{{"spec":{{"loadBalancerSourceRanges":null}}}}\''),
    )
