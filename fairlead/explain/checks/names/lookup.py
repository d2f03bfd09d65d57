"""The name's answer: does the cluster's DNS give the Service's addresses?"""

from __future__ import annotations

from fairlead.api.core.service.predicates import is_headless
from fairlead.base.texts import text
from fairlead.explain.finding import Finding, fault, note, ok, unknown
from fairlead.explain.snapshot import Snapshot
from fairlead.explain.tried import ANSWERED
from fairlead.explain.words import Message


def find(s: Snapshot) -> Finding | None:
    if s.tried is None or s.tried.lookup is None:
        return None
    lookup, spec = s.tried.lookup, s.found.spec
    looked_at = text(
        "{lookup} asked of {server} from {sender}", lookup=lookup.name, server=lookup.server, sender=s.tried.sender
    )
    if lookup.outcome != ANSWERED:
        return fault(
            looked_at,
            text(
                "the cluster's DNS does not answer: {server} is {outcome} from {sender}",
                server=lookup.server,
                outcome=lookup.outcome,
                sender=s.tried.sender,
            ),
            cure="kubectl get pods,endpointslices -n kube-system; fairlead logs --tail 20",
        )
    if spec.type == "ExternalName":
        return _alias(s, looked_at)
    expected = [] if is_headless(spec) else [address for address in spec.clusterIPs if ":" not in address]
    if set(expected) <= set(lookup.addresses) and (lookup.addresses or not s.serving):
        return ok(text("{looked_at}: {names}", looked_at=looked_at, names=", ".join(lookup.addresses) or lookup.rcode))
    return unknown(
        looked_at,
        text(
            "DNS answers {rcode} with {names}, and the Service has {names2}: DNS is behind the API",
            rcode=lookup.rcode,
            names=(", ".join(lookup.addresses) or text("no address")),
            names2=(", ".join(expected) or text("ready endpoints")),
        ),
        cure="kubectl get pods -n kube-system",
    )


def _alias(s: Snapshot, looked_at: Message) -> Finding:
    assert s.tried is not None
    assert s.tried.lookup is not None
    lookup, target = s.tried.lookup, s.found.spec.externalName
    if lookup.addresses:
        return ok(
            text(
                "{looked_at}: {target}, {names}", looked_at=looked_at, target=target, names=", ".join(lookup.addresses)
            )
        )
    return note(
        looked_at,
        text(
            "the name is an alias for {target}, which does not resolve here ({rcode})",
            target=target,
            rcode=lookup.rcode,
        ),
        cure=f"fairlead why dns {target}",
    )
