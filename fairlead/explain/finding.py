"""The result of one check."""

from __future__ import annotations

from enum import Enum

from fairlead.base.dataclass import dataclass
from fairlead.explain.words import Message


class Status(Enum):
    OK = "ok"
    NOTE = "note"
    """The Service works, in a way that surprises many users."""
    FAULT = "fault"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    status: Status
    looked_at: Message
    """Objects that the check read, in a few words; for OK also their state."""
    cause: Message = ""
    """A clause without a full stop; empty only for OK."""
    evidence: tuple[Message, ...] = ()
    cure: Message = ""
    """A command to paste into a shell; empty if no command can help."""


def ok(looked_at: Message) -> Finding:
    return Finding(Status.OK, looked_at)


def note(looked_at: Message, cause: Message, *evidence: Message, cure: Message = "") -> Finding:
    return Finding(Status.NOTE, looked_at, cause, evidence, cure)


def fault(looked_at: Message, cause: Message, *evidence: Message, cure: Message = "") -> Finding:
    return Finding(Status.FAULT, looked_at, cause, evidence, cure)


def unknown(looked_at: Message, cause: Message, *evidence: Message, cure: Message = "") -> Finding:
    return Finding(Status.UNKNOWN, looked_at, cause, evidence, cure)
