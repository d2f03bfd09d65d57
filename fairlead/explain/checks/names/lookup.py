"""The name's answer: does the cluster's DNS give the Service's addresses?"""

from __future__ import annotations

import json
from ipaddress import ip_address

from fairlead.api.core.service.predicates import is_headless
from fairlead.base.texts import text
from fairlead.explain.finding import Finding, fault, ok, unknown
from fairlead.explain.outcomes import ANSWERED
from fairlead.explain.snapshot import Snapshot
from fairlead.explain.tried import Lookup
from fairlead.explain.words import Message, outcome_of, then


def find(s: Snapshot) -> Finding | None:
    if s.tried is None or s.tried.lookup is None:
        return None
    lookup, spec = s.tried.lookup, s.found.spec
    looked_at = text(
        "{lookup} asked of {server} from {sender}", lookup=lookup.name, server=lookup.server, sender=s.tried.sender
    )
    if lookup.own_servers and not _knows(s, lookup):
        return _own_servers(s, looked_at)
    if lookup.outcome != ANSWERED:
        return fault(
            looked_at,
            text(
                "the cluster's DNS does not answer: {server} is {outcome} from {sender}",
                server=lookup.server,
                outcome=outcome_of(lookup.outcome),
                sender=s.tried.sender,
            ),
            cure="kubectl get pods,endpointslices -n kube-system; fairlead logs --tail 20",
        )
    if spec.type == "ExternalName":
        return _alias(s, looked_at)
    expected = _expected(s)
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


def _expected(s: Snapshot) -> list[str]:
    return [] if is_headless(s.found.spec) else [str(ip_address(one)) for one in s.found.spec.clusterIPs]


def _knows(s: Snapshot, lookup: Lookup) -> bool:
    """Returns whether the answer is one of a server that knows the cluster's names."""
    return bool(lookup.addresses or lookup.aliases) and set(_expected(s)) <= set(lookup.addresses)


def _own_servers(s: Snapshot, looked_at: Message) -> Finding:
    """Returns the fault of a sender whose name servers do not know the cluster's names."""
    assert s.tried is not None
    assert s.tried.lookup is not None
    lookup, name = s.tried.lookup, s.tried.sender.removeprefix("pod/")
    known = s.dns.spec.clusterIP if s.dns is not None else ""
    return fault(
        looked_at,
        text(
            "{sender} asks {servers} and not the cluster's DNS {dns}, so it does not know {name}: its dnsPolicy is "
            "None or Default, or it has hostNetwork without dnsPolicy ClusterFirstWithHostNet",
            sender=s.tried.sender,
            servers=", ".join(lookup.own_servers),
            dns=known,
            name=lookup.name,
        ),
        text("answer of {server}: {answer}", server=lookup.server, answer=lookup.rcode or outcome_of(lookup.outcome)),
        cure=then(
            s.kubectl(f"get pod {name} -o jsonpath='{{.spec.dnsPolicy}} {{.spec.dnsConfig}} {{.spec.hostNetwork}}'"),
            text("then use dnsPolicy ClusterFirst"),
        ),
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
    cause = text(
        "the name is an alias for {target}, which does not resolve here ({rcode})", target=target, rcode=lookup.rcode
    )
    service, _, rest = target.rstrip(".").partition(".")
    namespace = rest.partition(".")[0] or s.namespace
    if any((one.metadata.name, one.metadata.namespace) == (service, namespace) for one in s.services):
        suffix = lookup.name.removeprefix(f"{s.name}.{s.namespace}")
        meant = f"{service}.{namespace}{suffix}"
        patch = json.dumps({"spec": {"externalName": meant}}, separators=(",", ":"))
        return fault(
            looked_at,
            text("{cause}; did you mean {meant}? An alias needs the full name", cause=cause, meant=meant),
            cure=s.kubectl(f"patch svc {s.name} -p '{patch}'"),
        )
    does_not_exist = lookup.rcode in ("NXDOMAIN", "NOERROR")
    return (fault if does_not_exist else unknown)(looked_at, cause, cure=f"fairlead why dns {target}")
