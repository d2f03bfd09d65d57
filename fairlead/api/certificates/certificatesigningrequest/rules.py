"""Checks of certificate signing requests. Source of the texts: upstream's validation of `certificates.k8s.io`."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fairlead.api.certificates.certificatesigningrequest.request import certificate_problem, problem
from fairlead.api.certificates.certificatesigningrequest.types import (
    APPROVED,
    DENIED,
    FAILED,
    CertificateSigningRequest,
    CertificateSigningRequestCondition,
)
from fairlead.api.certificates.signernames import LEGACY_UNKNOWN, signer_name_errors
from fairlead.base.instant import Instant, render_time
from fairlead.machinery.values.status import FieldError, duplicate, forbidden, invalid, not_supported, required

USAGES = (
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
)
_SHORTEST_S = 600
_ALWAYS_TRUE = (APPROVED, DENIED, FAILED)
_STATUSES = ("False", "True", "Unknown")
_CONDITIONS = "status.conditions"


def request_errors(csr: CertificateSigningRequest) -> Iterator[FieldError]:
    spec = csr.spec
    if text := problem(spec.request):
        yield invalid("spec.request", spec.request, text)
    yield from _usage_errors(spec.usages)
    if spec.signerName == LEGACY_UNKNOWN:
        text = "the legacy signerName is not allowed via this API version"
        yield invalid("spec.signerName", spec.signerName, text)
    else:
        yield from signer_name_errors(spec.signerName, "spec.signerName")
    seconds = spec.expirationSeconds
    if seconds is not None and seconds < _SHORTEST_S:
        text = f"may not specify a duration less than {_SHORTEST_S} seconds (10 minutes)"
        yield invalid("spec.expirationSeconds", seconds, text)
    yield from _condition_errors(csr.status.conditions)
    if csr.status.certificate and (text := certificate_problem(csr.status.certificate)):
        yield invalid("status.certificate", "<certificate data>", text)


def _usage_errors(usages: list[str]) -> Iterator[FieldError]:
    if not usages:
        yield required("spec.usages")
    for i, usage in enumerate(usages):
        if usage not in USAGES:
            yield not_supported(f"spec.usages[{i}]", usage, USAGES)
    for i, usage in enumerate(usages):
        if usage in usages[:i]:
            yield duplicate(f"spec.usages[{i}]", usage)


def _condition_errors(conditions: list[CertificateSigningRequestCondition]) -> Iterator[FieldError]:
    known: set[str] = set()
    for i, condition in enumerate(conditions):
        path = f"{_CONDITIONS}[{i}]"
        if not condition.type:
            yield required(f"{path}.type")
        allowed = ("True",) if condition.type in _ALWAYS_TRUE else _STATUSES
        if not condition.status:
            yield required(f"{path}.status")
        elif condition.status not in allowed:
            yield not_supported(f"{path}.status", condition.status, allowed)
        if {condition.type} | (known & {APPROVED, DENIED}) == {APPROVED, DENIED}:
            yield invalid(_CONDITIONS, condition.type, "Approved and Denied conditions are mutually exclusive")
        if condition.type in known:
            yield duplicate(f"{path}.type", condition.type)
        known.add(condition.type)


def status_changes(old: CertificateSigningRequest, new: CertificateSigningRequest) -> Iterator[FieldError]:
    """Checks a write of `status`: it decides nothing, and sets the certificate once."""
    yield from approval_changes(old, new)
    for type in (APPROVED, DENIED):
        if len(_of_type(new, type)) > len(_of_type(old, type)):
            yield forbidden(_CONDITIONS, f'updates may not add a condition of type "{type}"')
    if old.status.certificate and new.status.certificate != old.status.certificate:
        yield forbidden("status.certificate", "updates may not modify existing certificate content")


def approval_changes(old: CertificateSigningRequest, new: CertificateSigningRequest) -> Iterator[FieldError]:
    """Checks a write of `approval`: decisions and failures stay."""
    for type in _ALWAYS_TRUE:
        if len(_of_type(new, type)) < len(_of_type(old, type)):
            yield forbidden(_CONDITIONS, f'updates may not remove a condition of type "{type}"')


def _of_type(csr: CertificateSigningRequest, type: str) -> list[int]:
    """Returns the places of the conditions of a type."""
    return [i for i, condition in enumerate(csr.status.conditions) if condition.type == type]


def prepare_status(old: CertificateSigningRequest, new: CertificateSigningRequest, now: Instant) -> None:
    """Keeps the decisions as they are, and sets the times of the other conditions."""
    for type in (APPROVED, DENIED):
        before, after = _of_type(old, type), _of_type(new, type)
        if len(before) == len(after):
            for i, j in zip(before, after, strict=True):
                new.status.conditions[j] = msgspec.structs.replace(old.status.conditions[i])
    set_times(old, new, now)


def set_times(old: CertificateSigningRequest, new: CertificateSigningRequest, now: Instant) -> None:
    """Sets missing times of conditions: to those of an unchanged condition, or to the present time."""
    new.status.conditions = [_timed(condition, old, render_time(now)) for condition in new.status.conditions]


def _timed(
    condition: CertificateSigningRequestCondition, old: CertificateSigningRequest, now: str
) -> CertificateSigningRequestCondition:
    same = (c for c in old.status.conditions if (c.type, c.status) == (condition.type, condition.status))
    before = next((c.lastTransitionTime for c in same if c.lastTransitionTime), None)
    return msgspec.structs.replace(
        condition,
        lastUpdateTime=condition.lastUpdateTime or now,
        lastTransitionTime=condition.lastTransitionTime or before or now,
    )
