"""Feeds the signers with approved requests. The authority's key is read at the first signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from fairlead.controllers.certificates.requests import Requests
from fairlead.controllers.context import Context
from fairlead.runtime.loop import Controller, planned
from fairlead.runtime.plan import Plan

if TYPE_CHECKING:
    from fairlead.api.certificates.certificatesigningrequest.types import CertificateSigningRequest
    from fairlead.controllers.certificates.signing.authority import Authority, AuthorityFiles


def controller(context: Context, *, read_authority: Callable[[], AuthorityFiles]) -> Controller:
    return _Signers(context, read_authority).controller


class _Signers:
    def __init__(self, context: Context, read_authority: Callable[[], AuthorityFiles]) -> None:
        self._clock = context.clock
        self._read_authority = read_authority
        self._authority: Authority | None = None
        applier = context.applier("certificate-controller")
        self.controller = Controller("csrsigning", context.queue(), planned(self._reconcile, applier), workers=1)
        self._requests = Requests(context, self.controller.queue.add)

    def _reconcile(self, key: str) -> Plan | None:
        from fairlead.api.certificates.certificatesigningrequest.request import contents
        from fairlead.controllers.certificates.signing.plan import failure, is_ready, problem

        found = self._requests.get(key)
        if found is None or not is_ready(found):
            return None
        spec, now = found.spec, self._clock.now()
        if why := problem(spec.signerName, contents(spec.request), spec.usages):
            return failure(found, why, now=now)
        return self._issue(found)

    def _issue(self, found: CertificateSigningRequest) -> Plan:
        from fairlead.controllers.certificates.signing.authority import Authority
        from fairlead.controllers.certificates.signing.plan import issue, validity

        authority = self._authority = self._authority or Authority(self._read_authority())
        span = validity(found.spec.expirationSeconds, authority_end=authority.end, now=self._clock.now())
        return issue(found, authority.sign(found.spec.request, found.spec.usages, span))
