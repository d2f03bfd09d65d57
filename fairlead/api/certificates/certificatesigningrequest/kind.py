"""The CertificateSigningRequest kind: certificates that users approve and signers issue."""

from __future__ import annotations

from fairlead.api.certificates.certificatesigningrequest.rules import prepare_status, request_errors, status_changes
from fairlead.api.certificates.certificatesigningrequest.types import (
    APPROVED,
    DENIED,
    FAILED,
    CertificateSigningRequest,
    CertificateSigningRequestStatus,
    has_condition,
)
from fairlead.api.meta.columns import AGE, NAME, NONE
from fairlead.base.instant import Instant, render_age
from fairlead.machinery.kinds.kind import Column, Requester, Strategy


def _prepare_create(csr: CertificateSigningRequest) -> CertificateSigningRequest:
    csr.status = CertificateSigningRequestStatus()
    return csr


def _stamp(csr: CertificateSigningRequest, requester: Requester) -> None:
    spec = csr.spec
    spec.username, spec.uid, spec.groups = requester.name, requester.uid, list(requester.groups)
    spec.extra = {key: list(values) for key, values in requester.extra.items()}


def _prepare_update(old: CertificateSigningRequest, new: CertificateSigningRequest) -> CertificateSigningRequest:
    new.spec = old.spec
    return new


def _duration(csr: CertificateSigningRequest, _: Instant) -> str:
    seconds = csr.spec.expirationSeconds
    return NONE if seconds is None else render_age(float(seconds))


def _condition(csr: CertificateSigningRequest, _: Instant) -> str:
    decided = [type for type in (DENIED, APPROVED) if has_condition(csr, type)]
    parts = [decided[0] if decided else "Pending"]
    parts += [FAILED] if has_condition(csr, FAILED) else []
    parts += ["Issued"] if csr.status.certificate else []
    return ",".join(parts)


STRATEGY: Strategy[CertificateSigningRequest] = Strategy(
    type=CertificateSigningRequest,
    name_rule="path-segment",
    columns=(
        NAME,
        AGE,
        Column("SignerName", lambda found, _: found.spec.signerName or NONE, doc="Name of the requested signer."),
        Column("Requestor", lambda found, _: found.spec.username, doc="Name of the user that made the request."),
        Column("RequestedDuration", _duration, doc="Time for which the certificate is to be valid."),
        Column("Condition", _condition, doc="Decision about the request, and whether it was issued."),
    ),
    fields={"spec.signerName": lambda found: found.spec.signerName},
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    prepare_status=prepare_status,
    stamp=_stamp,
    rules=request_errors,
    transition=status_changes,
    status_leaves=(),
)
