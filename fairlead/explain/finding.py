"""The result of one check."""

from __future__ import annotations

from enum import Enum

from fairlead.base.dataclass import dataclass


class Status(Enum):
    OK = "ok"
    NOTE = "note"
    """The Service works, in a way that surprises many users."""
    FAULT = "fault"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    status: Status
    looked_at: str
    """Objects that the check read, in a few words; for OK also their state."""
    cause: str = ""
    """A clause without a full stop; empty only for OK."""
    evidence: tuple[str, ...] = ()
    cure: str = ""
    """A command to paste into a shell; empty if no command can help."""


def ok(looked_at: str) -> Finding:
    return Finding(Status.OK, looked_at)


def note(looked_at: str, cause: str, *evidence: str, cure: str = "") -> Finding:
    return Finding(Status.NOTE, looked_at, cause, evidence, cure)


def fault(looked_at: str, cause: str, *evidence: str, cure: str = "") -> Finding:
    return Finding(Status.FAULT, looked_at, cause, evidence, cure)


def unknown(looked_at: str, cause: str, *evidence: str, cure: str = "") -> Finding:
    return Finding(Status.UNKNOWN, looked_at, cause, evidence, cure)
