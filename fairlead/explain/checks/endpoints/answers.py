"""Endpoints without a Pod: does something answer at their addresses?"""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from fairlead.base.texts import Text, text
from fairlead.explain.finding import Finding, fault, ok
from fairlead.explain.outcomes import ANSWERED, REFUSED, SILENT, UNREACHABLE
from fairlead.explain.snapshot import Snapshot
from fairlead.explain.tried import Dial
from fairlead.explain.words import outcome_of


def find(s: Snapshot) -> Finding | None:
    if s.tried is None or not s.tried.endpoints:
        return None
    dials = s.tried.endpoints
    looked_at = text("connections from {sender} to the endpoints without a Pod", sender=s.tried.sender)
    dead = [one for one in dials if one.outcome != ANSWERED]
    if not dead:
        return ok(text("{looked_at}: all accepted", looked_at=looked_at))
    first = dead[0]
    no_way_out = [
        one for one in dead if one.outcome != REFUSED and s.egress is False and not _is_inside(s, one.address)
    ]
    evidence = [
        text("{address} port {number} {outcome}", address=one.address, number=one.number, outcome=_outcome(one))
        for one in dead[1:4]
    ]
    if no_way_out:
        evidence.append(text("the cluster has no way out, which `fairlead up --egress` opens"))
    return fault(
        looked_at,
        text(
            "no connection to {dead} of {all} endpoints without a Pod: {address} port {number} {outcome}",
            dead=len(dead),
            all=len(dials),
            address=first.address,
            number=first.number,
            outcome=_outcome(first),
        ),
        *evidence,
        cure="fairlead down && fairlead up --detach --egress"
        if first in no_way_out
        else s.kubectl(f"edit endpointslice {_slice(s, first)}"),
    )


def _is_inside(s: Snapshot, address: str) -> bool:
    """Returns whether the address is of a node or of its Pods."""
    blocks = [block for node in s.nodes for block in node.spec.podCIDRs or [node.spec.podCIDR] if block]
    own = [one.address for node in s.nodes for one in node.status.addresses]
    return address in own or any(ip_address(address) in ip_network(block) for block in blocks)


def _outcome(one: Dial) -> Text:
    if one.outcome == UNREACHABLE:
        return text("could not be reached ({detail})", detail=outcome_of(one.detail or one.outcome))
    return _OUTCOMES[one.outcome]


_OUTCOMES = {REFUSED: text("refuses it"), SILENT: text("does not answer")}


def _slice(s: Snapshot, dial: Dial) -> str:
    return next(
        piece.metadata.name for piece in s.slices for one in piece.endpoints if dial.address in one.addresses[:1]
    )
