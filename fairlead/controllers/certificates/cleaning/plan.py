"""Decides when a certificate request is deleted. The times are upstream's (`csrcleaner`)."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.certificates.certificatesigningrequest import CERTIFICATE_SIGNING_REQUEST
from fairlead.api.certificates.certificatesigningrequest.types import (
    APPROVED,
    DENIED,
    FAILED,
    CertificateSigningRequest,
)
from fairlead.base.instant import Instant, parse_time
from fairlead.runtime.plan import Delete, Plan

DECIDED_S = 3600.0
"""Seconds after which an issued, denied or failed request is deleted."""
PENDING_S = 24 * 3600.0
"""Seconds after which a request is deleted that was not decided or not issued."""


def reconcile(found: CertificateSigningRequest, certificate_ends: float | None, *, now: Instant) -> Plan:
    """Returns the plan for the request. `certificate_ends`: the end of the issued certificate, if there is one."""
    due = min(_deadlines(found, certificate_ends), default=None)
    if due is None:
        return Plan()
    if now > due:
        return Plan(delete=(Delete(CERTIFICATE_SIGNING_REQUEST, found),))
    return Plan(retry_after=due - now + 1.0)


def _deadlines(found: CertificateSigningRequest, certificate_ends: float | None) -> Iterator[float]:
    """Yields the times from which the request may be deleted."""
    if not found.status.conditions:
        yield from _after(found.metadata.creationTimestamp, PENDING_S)
    issued = bool(found.status.certificate)
    for condition in found.status.conditions:
        match condition.type:
            case type if type in (DENIED, FAILED):
                yield from _after(condition.lastUpdateTime, DECIDED_S)
            case type if type == APPROVED:
                yield from _after(condition.lastUpdateTime, DECIDED_S if issued else PENDING_S)
                if issued and certificate_ends is not None:
                    yield certificate_ends


def _after(time: str | None, seconds: float) -> Iterator[float]:
    if time:
        yield parse_time(time) + seconds
