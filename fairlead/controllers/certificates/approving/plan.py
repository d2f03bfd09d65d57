"""Decides which certificate requests may be approved without a user, and by which permission (`csrapproving`)."""

from __future__ import annotations

import msgspec

from fairlead.api.certificates.certificatesigningrequest import CERTIFICATE_SIGNING_REQUEST
from fairlead.api.certificates.certificatesigningrequest.request import Contents
from fairlead.api.certificates.certificatesigningrequest.types import (
    APPROVED,
    DENIED,
    CertificateSigningRequest,
    CertificateSigningRequestCondition,
    has_condition,
)
from fairlead.api.certificates.signernames import KUBELET_CLIENT
from fairlead.base.dataclass import dataclass
from fairlead.controllers.certificates.nodecertificates import client_problem
from fairlead.runtime.plan import Plan, Update


@dataclass(frozen=True, slots=True)
class Permission:
    """The right to create a subresource of certificate requests, and the message of an approval by that right."""

    subresource: str
    message: str


_OWN = Permission("selfnodeclient", "Auto approving self kubelet client certificate after SubjectAccessReview.")
_NODE = Permission("nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview.")


def is_open(found: CertificateSigningRequest) -> bool:
    """Returns whether the request is not decided yet."""
    decided = has_condition(found, APPROVED) or has_condition(found, DENIED)
    return not decided and not found.status.certificate


def permissions(found: CertificateSigningRequest, asked: Contents) -> list[Permission]:
    """Returns the permissions of which the requesting user needs one."""
    if found.spec.signerName != KUBELET_CLIENT or client_problem(asked, found.spec.usages):
        return []
    return [_OWN, _NODE] if found.spec.username == asked.common_name else [_NODE]


def approval(found: CertificateSigningRequest, permission: Permission) -> Plan:
    """Returns the plan that approves the request."""
    condition = CertificateSigningRequestCondition(
        type=APPROVED, status="True", reason="AutoApproved", message=permission.message
    )
    status = msgspec.structs.replace(found.status, conditions=[*found.status.conditions, condition])
    approved = msgspec.structs.replace(found, status=status)
    return Plan(update=(Update(CERTIFICATE_SIGNING_REQUEST, approved, subresource="approval"),))
