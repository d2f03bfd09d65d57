"""Decides about approved certificate requests of the built-in signers. Source: upstream's `csrsigning`."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from fairlead.api.certificates.certificatesigningrequest import CERTIFICATE_SIGNING_REQUEST
from fairlead.api.certificates.certificatesigningrequest.request import Contents
from fairlead.api.certificates.certificatesigningrequest.types import (
    APPROVED,
    FAILED,
    CertificateSigningRequest,
    CertificateSigningRequestCondition,
    has_condition,
)
from fairlead.api.certificates.signernames import API_CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY_UNKNOWN
from fairlead.base.dataclass import dataclass
from fairlead.base.instant import Instant, render_time
from fairlead.controllers.certificates.nodecertificates import client_problem, serving_problem
from fairlead.runtime.plan import Plan, Update

LONGEST_S = 365 * 24 * 3600.0
"""Validity of a certificate in seconds, if the request does not ask for less."""
_SHORTEST_S = 600.0
_BACKDATE_S = 300.0
_SHORT_S = 8 * 3600.0
"""Validity below which the time before the signature is not taken off: 5 minutes are 1 % of 8 hours."""
_SIGNERS = frozenset({API_CLIENT, KUBELET_CLIENT, KUBELET_SERVING, LEGACY_UNKNOWN})


def is_ready(found: CertificateSigningRequest) -> bool:
    """Returns whether the request waits for a signature of a built-in signer."""
    waits = has_condition(found, APPROVED) and not has_condition(found, FAILED) and not found.status.certificate
    return waits and found.spec.signerName in _SIGNERS


def problem(signer: str, asked: Contents, usages: Collection[str]) -> str:
    """Returns the reason why the signer refuses the request; empty if it signs."""
    match signer:
        case name if name == KUBELET_SERVING:
            return serving_problem(asked, usages)
        case name if name == KUBELET_CLIENT:
            return client_problem(asked, usages)
        case name if name == API_CLIENT:
            return _api_client_problem(usages)
    return ""


def _api_client_problem(usages: Collection[str]) -> str:
    for usage in usages:
        if usage not in ("digital signature", "key encipherment", "client auth"):
            return f"invalid usage for client certificate: {usage}"
    return "" if "client auth" in usages else "missing required usage for client certificate: client auth"


@dataclass(frozen=True, slots=True)
class Validity:
    """Begin and end of a certificate."""

    begin: float
    end: float


def validity(expiration_s: int | None, *, authority_end: float, now: Instant) -> Validity:
    """Returns the validity of a certificate, which never outlives the authority's."""
    asked = LONGEST_S if expiration_s is None else min(max(float(expiration_s), _SHORTEST_S), LONGEST_S)
    end = now + asked - (0.0 if asked < _SHORT_S else _BACKDATE_S)
    return Validity(now - _BACKDATE_S, min(end, authority_end))


def failure(found: CertificateSigningRequest, why: str, *, now: Instant) -> Plan:
    """Returns the plan that marks the request as failed."""
    condition = CertificateSigningRequestCondition(
        type=FAILED, status="True", reason="SignerValidationFailure", message=why, lastUpdateTime=render_time(now)
    )
    return _status(msgspec.structs.replace(found.status, conditions=[*found.status.conditions, condition]), found)


def issue(found: CertificateSigningRequest, certificate: str) -> Plan:
    """Returns the plan that hands out the certificate."""
    return _status(msgspec.structs.replace(found.status, certificate=certificate), found)


def _status(status: object, found: CertificateSigningRequest) -> Plan:
    return Plan(status=(Update(CERTIFICATE_SIGNING_REQUEST, msgspec.structs.replace(found, status=status), "status"),))
