"""The admission plug-ins about certificate requests: who may approve and sign, and which subjects are refused.

Source: upstream's CertificateApproval, CertificateSigning and CertificateSubjectRestriction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fairlead.api.certificates.certificatesigningrequest import CERTIFICATE_SIGNING_REQUEST
from fairlead.api.certificates.signernames import API_CLIENT
from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.apiserver.auth.authorization import Authorizer
from fairlead.apiserver.requestinfo import RequestInfo
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.quoting import go_quote

if TYPE_CHECKING:
    from fairlead.api.certificates.certificatesigningrequest.types import CertificateSigningRequest

_MASTERS = "system:masters"


class _SignerPermission(AdmissionPlugin):
    """Asks the authorizers if the user may act for the signer of a request."""

    verb: str
    subresource: str

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        return operation == "UPDATE" and kind is CERTIFICATE_SIGNING_REQUEST and subresource == self.subresource

    async def _check(self, attributes: Attributes) -> None:
        signer: str = attributes.old.spec.signerName
        domain = signer.partition("/")[0]
        for name in (signer, f"{domain}/*"):
            request = RequestInfo(
                method="",
                path="",
                verb=self.verb,
                is_resource_request=True,
                api_group="certificates.k8s.io",
                api_version="*",
                resource="signers",
                name=name,
            )
            if (await self._authorizer.authorize(attributes.user, request)).allowed:
                return
        why = f"user not permitted to {self.verb} requests with signerName {go_quote(signer)}"
        raise attributes.denied(why)


class CertificateApproval(_SignerPermission):
    """Refuses an approval by a user who may not approve for the signer."""

    name = "CertificateApproval"
    verb = "approve"
    subresource = "approval"

    async def validate(self, attributes: Attributes) -> None:
        await self._check(attributes)


class CertificateSigning(_SignerPermission):
    """Refuses a certificate from a user who may not sign for the signer."""

    name = "CertificateSigning"
    verb = "sign"
    subresource = "status"

    async def validate(self, attributes: Attributes) -> None:
        if attributes.obj.status != attributes.old.status:
            await self._check(attributes)


class CertificateSubjectRestriction(AdmissionPlugin):
    """Refuses requests for certificates of administrators."""

    name = "CertificateSubjectRestriction"

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        return operation == "CREATE" and kind is CERTIFICATE_SIGNING_REQUEST and not subresource

    async def validate(self, attributes: Attributes) -> None:
        found: CertificateSigningRequest = attributes.obj
        if found.spec.signerName != API_CLIENT:
            return
        from fairlead.api.certificates.certificatesigningrequest.request import contents

        if _MASTERS in contents(found.spec.request).organizations:  # the checks have read the request before
            raise attributes.denied(f"use of {API_CLIENT} signer with {_MASTERS} group is not allowed")
