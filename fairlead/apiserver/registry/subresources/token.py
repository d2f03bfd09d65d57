"""token: issues a token of a service account."""

from __future__ import annotations

from fairlead.apiserver.admission.chain import AdmissionChain
from fairlead.apiserver.auth.tokenrequest import TokenIssuer
from fairlead.apiserver.model import Outcome, json_response
from fairlead.apiserver.registry.subresources.table import Call
from fairlead.apiserver.serialization.accept import negotiate_form
from fairlead.apiserver.serialization.params import write_options


class TokenSubresource:
    """Serves token."""

    subresource = ("token", "TokenRequest")
    any_method = False

    def __init__(self, issuer: TokenIssuer, admission: AdmissionChain) -> None:
        self._issuer = issuer
        self._admission = admission

    async def handle(self, call: Call) -> Outcome:
        negotiate_form(call.request.headers.get("accept", ""), tables=False)
        options = write_options(call.request, "CreateOptions")
        sent = self._issuer.read(call.request)
        asked = await self._admission.review(call.attributes("CREATE", sent, dry_run=options.dry_run, options=options))
        return json_response(self._issuer.issue(call.target, asked), 201)
