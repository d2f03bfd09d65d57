"""Answers to requests beyond a connection: HTTP, DNS and datagrams."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.base.texts import Text, text
from fairlead.explain.finding import Finding, fault, note, ok
from fairlead.explain.outcomes import ANSWERED, REFUSED, UNREACHABLE
from fairlead.explain.snapshot import Snapshot
from fairlead.explain.tried import Reply
from fairlead.explain.words import Message, listed, outcome_of


def find(s: Snapshot) -> Finding | None:
    if s.tried is None or not (shown := list(_shown(s.tried.replies))):
        return None
    sender = s.tried.sender
    for one in s.tried.replies:
        if cause := _fault(one, sender):
            return fault(text("requests from {sender}", sender=sender), cause, cure=_trace(s, one))
    remark = next((found for one in s.tried.replies if (found := _remark(one))), None)
    if remark is not None:
        return note(text("requests from {sender}", sender=sender), remark, *shown)
    return ok(text("requests from {sender}: {shown}", sender=sender, shown=listed(shown)))


def _fault(one: Reply, sender: str) -> Text | None:
    """Returns the fault of a datagram that no program takes; the check `connection` has those of connections."""
    if one.kind not in ("dns", "udp"):
        return None
    if one.outcome in (REFUSED, UNREACHABLE):
        return text(
            "a datagram from {sender} to {address} port {number} was not taken ({detail})",
            sender=sender,
            address=one.address,
            number=one.number,
            detail=outcome_of(one.detail or one.outcome),
        )
    if one.kind == "dns" and one.outcome != ANSWERED:
        return text(
            "a DNS question from {sender} to {address} port {number} got no answer",
            sender=sender,
            address=one.address,
            number=one.number,
        )
    return None


def _remark(one: Reply) -> Text | None:
    if one.kind != "get" or one.outcome != ANSWERED:
        return None
    if not one.spoken:
        return text(
            "{address} port {number} accepted the connection and did not answer HTTP",
            address=one.address,
            number=one.number,
        )
    if one.said.partition(" ")[2].startswith("5"):
        return text("{address} port {number} answered: {said}", address=one.address, number=one.number, said=one.said)
    return None


def _shown(replies: tuple[Reply, ...]) -> Iterator[Message]:
    """Yields what each request that a user asked for was answered."""
    for one in replies:
        if one.kind in ("get", "dns", "udp"):
            said = one.said or one.spoken or outcome_of(one.outcome)
            yield text(
                "{address} port {number}: {said}, {ms} ms", address=one.address, number=one.number, said=said, ms=one.ms
            )


def _trace(s: Snapshot, one: Reply) -> str:
    assert s.tried is not None
    sender = s.tried.sender if "/" in s.tried.sender else f"node/{s.tried.sender}"
    namespace = "" if s.namespace == "default" else f" -n {s.namespace}"
    return f"fairlead trace {sender} svc/{s.name}:{one.port.partition('/')[0]} --protocol udp --live{namespace}"
