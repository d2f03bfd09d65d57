"""The types of CertificateSigningRequest."""

from typing import Annotated

import msgspec

from fairlead.api.meta.types import Base64, Int32, Object, Record, Strings, Time
from fairlead.machinery.kinds.kind import Doc, ListMap

APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"


class CertificateSigningRequestSpec(Record):
    """Certificate that is asked for, and the user that asks; immutable."""

    request: Annotated[
        Base64, Doc("Signing request of PKCS #10 in PEM (CERTIFICATE REQUEST), encoded once more in base64; required.")
    ] = msgspec.field(default_factory=str)
    signerName: Annotated[
        str,
        Doc(
            "Name of the signer, such as kubernetes.io/kube-apiserver-client for certificates with which clients "
            "log in; required."
        ),
    ] = msgspec.field(default_factory=str)
    expirationSeconds: (
        Annotated[
            Int32,
            Doc("Seconds for which the certificate is to be valid, at least 600; the signer may choose less."),
        ]
        | None
    ) = None
    usages: Annotated[
        Strings,
        Doc("Usages of the key in the certificate, such as digital signature and client auth; at least one."),
    ] = []
    username: Annotated[str, Doc("Name of the user that created the request; set by the server.")] = ""
    uid: Annotated[str, Doc("UID of the user that created the request; set by the server.")] = ""
    groups: Annotated[Strings, Doc("Groups of the user that created the request; set by the server.")] = []
    extra: Annotated[
        dict[str, list[str]], Doc("Further attributes of the user that created the request; set by the server.")
    ] = {}


class CertificateSigningRequestCondition(Record):
    """Decision about a request, or the failure of its signer."""

    type: Annotated[str, Doc("Type of the condition: Approved or Denied (set through /approval), or Failed.")] = (
        msgspec.field(default_factory=str)
    )
    status: Annotated[str, Doc("Status of the condition; Approved, Denied and Failed can only be True.")] = (
        msgspec.field(default_factory=str)
    )
    reason: Annotated[str, Doc("Reason of the decision as one CamelCase word, for programs.")] = ""
    message: Annotated[str, Doc("Human-readable details about the decision or the failure.")] = ""
    lastUpdateTime: (
        Annotated[Time, Doc("Time at which the condition was last updated; the server's time if absent.")] | None
    ) = None
    lastTransitionTime: (
        Annotated[Time, Doc("Time at which the status of the condition last changed; set by the server if absent.")]
        | None
    ) = None


class CertificateSigningRequestStatus(Record):
    """Decision about a request, and the certificate."""

    conditions: Annotated[
        list[CertificateSigningRequestCondition],
        ListMap(keys=("type",)),
        Doc("Decisions about the request; Approved and Denied exclude each other and stay once they are set."),
    ] = []
    certificate: Annotated[
        Base64, Doc("Issued certificates in PEM, encoded once more in base64; set once by the signer.")
    ] = ""


class CertificateSigningRequest(Object):
    """Request for a certificate, which is approved or denied by a user and issued by a signer."""

    spec: Annotated[
        CertificateSigningRequestSpec, Doc("Certificate that is asked for, and the user that asks; immutable.")
    ] = msgspec.field(default_factory=CertificateSigningRequestSpec)
    status: Annotated[
        CertificateSigningRequestStatus, Doc("Decision about the request, and the certificate if it was issued.")
    ] = msgspec.field(default_factory=CertificateSigningRequestStatus)


def has_condition(csr: CertificateSigningRequest, type: str) -> bool:
    """Returns whether the request has a condition of the type, which is True then."""
    return any(condition.type == type for condition in csr.status.conditions)
