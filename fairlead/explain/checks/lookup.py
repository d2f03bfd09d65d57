"""The name's answer: does the cluster's DNS give the Service's addresses?"""

from __future__ import annotations

from fairlead.api.core.service.predicates import is_headless
from fairlead.explain.finding import Finding, fault, note, ok, unknown
from fairlead.explain.snapshot import Snapshot
from fairlead.explain.tried import ANSWERED


def find(s: Snapshot) -> Finding | None:
    if s.tried is None or s.tried.lookup is None:
        return None
    lookup, spec = s.tried.lookup, s.found.spec
    looked_at = f"{lookup.name} asked of {lookup.server} from {s.tried.sender}"
    if lookup.outcome != ANSWERED:
        return fault(
            looked_at,
            f"the cluster's DNS does not answer: {lookup.server} is {lookup.outcome} from {s.tried.sender}",
            cure="kubectl get pods,endpointslices -n kube-system; fairlead logs --tail 20",
        )
    if spec.type == "ExternalName":
        return _alias(s, looked_at)
    expected = [] if is_headless(spec) else [address for address in spec.clusterIPs if ":" not in address]
    if set(expected) <= set(lookup.addresses) and (lookup.addresses or not s.serving):
        return ok(f"{looked_at}: {', '.join(lookup.addresses) or lookup.rcode}")
    return unknown(
        looked_at,
        f"DNS answers {lookup.rcode} with {', '.join(lookup.addresses) or 'no address'}, and the Service has "
        f"{', '.join(expected) or 'ready endpoints'}: DNS is behind the API",
        cure="kubectl get pods -n kube-system",
    )


def _alias(s: Snapshot, looked_at: str) -> Finding:
    assert s.tried is not None
    assert s.tried.lookup is not None
    lookup, target = s.tried.lookup, s.found.spec.externalName
    if lookup.addresses:
        return ok(f"{looked_at}: {target}, {', '.join(lookup.addresses)}")
    return note(
        looked_at,
        f"the name is an alias for {target}, which does not resolve here ({lookup.rcode})",
        cure=f"fairlead why dns {target}",
    )
