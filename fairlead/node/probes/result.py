"""The result of one probe or lifecycle hook, and what an event says about it."""

from __future__ import annotations

from enum import Enum

from fairlead.base.dataclass import dataclass


class ProbeStatus(Enum):
    """The outcome of a probe, with the kubelet's categories."""

    SUCCESS = "success"
    WARNING = "warning"
    """Counts as a success and is worth an event."""
    FAILURE = "failure"
    ERROR = "error"
    """Counts as a failure: the probe could not be made, or its answer could not be read."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    status: ProbeStatus
    text: str = ""
    """The reason; empty for a success."""

    @property
    def good(self) -> bool:
        return self.status in (ProbeStatus.SUCCESS, ProbeStatus.WARNING)


SUCCESS = ProbeResult(ProbeStatus.SUCCESS)


def warning(text: str) -> ProbeResult:
    return ProbeResult(ProbeStatus.WARNING, text)


def failure(text: str) -> ProbeResult:
    return ProbeResult(ProbeStatus.FAILURE, text)


def error(text: str) -> ProbeResult:
    return ProbeResult(ProbeStatus.ERROR, text)


def event_of(title: str, result: ProbeResult) -> tuple[str, str]:
    """Returns the reason and the message of the event about a result that is not a plain success."""
    match result.status:
        case ProbeStatus.WARNING:
            return "ProbeWarning", f"{title} probe warning: {result.text}"
        case ProbeStatus.ERROR:
            return "Unhealthy", f"{title} probe errored and resulted in unknown state: {result.text}"
        case _:
            return "Unhealthy", f"{title} probe failed: {result.text}"
