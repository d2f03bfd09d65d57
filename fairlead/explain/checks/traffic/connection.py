"""A real connection: was it accepted?"""

from __future__ import annotations

from fairlead.base.texts import Text, text
from fairlead.explain.finding import Finding, fault, ok
from fairlead.explain.outcomes import REFUSED, SILENT
from fairlead.explain.snapshot import Snapshot
from fairlead.explain.tried import Dial
from fairlead.explain.words import listed, outcome_of

_WORDS = {REFUSED: text("was refused"), SILENT: text("got no answer")}


def find(s: Snapshot) -> Finding | None:
    if s.tried is None or not s.tried.dials:
        return None
    failed = s.tried.failed
    if failed is None:
        shown = listed([_place(one) for one in s.tried.dials])
        return ok(text("a connection from {sender} to {shown} was accepted", sender=s.tried.sender, shown=shown))
    detail = outcome_of(failed.detail or failed.outcome)
    word = _WORDS.get(failed.outcome, text("could not be made ({detail})", detail=detail))
    return fault(
        text("a connection from {sender}", sender=s.tried.sender),
        text(
            "a connection from {sender} to {address} port {number} {word}",
            sender=s.tried.sender,
            address=failed.address,
            number=failed.number,
            word=word,
        ),
        cure=f"fairlead trace {_sender(s)} svc/{s.name}:{failed.port.partition('/')[0]} --live"
        + ("" if s.namespace == "default" else f" -n {s.namespace}"),
    )


def _place(one: Dial) -> Text:
    return text("{address} port {number}", address=one.address, number=one.number)


def _sender(s: Snapshot) -> str:
    assert s.tried is not None
    sender = s.tried.sender
    return "host" if sender == "this machine" else sender if "/" in sender else f"node/{sender}"
