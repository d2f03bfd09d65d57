"""The name's answer: does the cluster's DNS give the Service's addresses?"""

from __future__ import annotations

import json
from ipaddress import ip_address

from fairlead.api.core.service.predicates import is_external_name, is_headless
from fairlead.base.addresses import is_address
from fairlead.base.texts import Text, text
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
    if is_external_name(spec):
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


def _alias(s: Snapshot, looked_at: Message) -> Finding | None:
    """Returns what the alias leads to; None for an IP address, which is a fault of its form (`external_name`)."""
    assert s.tried is not None
    assert s.tried.lookup is not None
    lookup, target = s.tried.lookup, s.found.spec.externalName
    if is_address(target):
        return None
    if lookup.addresses:
        return ok(
            text(
                "{looked_at}: {target}, {names}", looked_at=looked_at, target=target, names=", ".join(lookup.addresses)
            )
        )
    cause = text(
        "the name is an alias for {target}, which does not resolve here ({rcode})", target=target, rcode=lookup.rcode
    )
    if inside := _inside(s, looked_at, cause):
        return inside
    does_not_exist = lookup.rcode in ("NXDOMAIN", "NOERROR")
    return (fault if does_not_exist else unknown)(looked_at, cause, cure=f"fairlead why dns {target}")


def _inside(s: Snapshot, looked_at: Message, cause: Text) -> Finding | None:
    """Returns the fault of an alias for a name of this cluster; None for other names."""
    assert s.tried is not None
    assert s.tried.lookup is not None
    target = s.found.spec.externalName.rstrip(".")
    suffix = s.tried.lookup.name.removeprefix(f"{s.name}.{s.namespace}")
    service, _, rest = target.removesuffix(suffix).partition(".")
    namespace = rest or s.namespace
    full = f"{service}.{namespace}{suffix}"
    patch = json.dumps({"spec": {"externalName": full}}, separators=(",", ":"))
    there = next(
        (one for one in s.services if (one.metadata.name, one.metadata.namespace) == (service, namespace)), None
    )
    if there and target != full and "." not in namespace:
        meant = text("{cause}; did you mean {meant}? An alias needs the full name", cause=cause, meant=full)
        return fault(looked_at, meant, cure=s.kubectl(f"patch svc {s.name} -p '{patch}'"))
    if target != full:
        return None
    if not there:
        elsewhere = sorted(one.metadata.namespace for one in s.services if one.metadata.name == service)
        what = text('namespace {namespace} has no Service "{name}"', namespace=namespace, name=service)
        missing = Text("{cause}: {what}", {"cause": cause, "what": what})
        cure = f"kubectl get svc -n {elsewhere[0]} {service}" if elsewhere else f"kubectl get svc -n {namespace}"
        return fault(looked_at, missing, cure=cure)
    circle = _circle(s, suffix)
    if circle:
        return fault(
            looked_at,
            text("the aliases {names} lead in a circle, so the name has no address", names=" -> ".join(circle)),
            cure=s.kubectl(f"get svc {s.name} -o jsonpath='{{.spec.externalName}}'"),
        )
    return fault(looked_at, cause, cure=f"fairlead why svc/{service} -n {namespace}")


def _circle(s: Snapshot, suffix: str) -> list[str]:
    """Returns the names of aliases that lead back to the Service; empty if they do not."""
    targets = {
        f"{one.metadata.name}.{one.metadata.namespace}": one.spec.externalName.rstrip(".").removesuffix(suffix)
        for one in s.services
        if is_external_name(one.spec)
    }
    first = f"{s.name}.{s.namespace}"
    names = [first]
    while (following := targets.get(names[-1], "")) and following not in names:
        names.append(following)
    return [*names, first] if following == first else []
