"""Asks the API server for the rights of the requesting user, and approves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from fairlead.controllers.certificates.requests import Requests
from fairlead.controllers.context import Context
from fairlead.runtime.loop import Controller

if TYPE_CHECKING:
    from fairlead.api.certificates.certificatesigningrequest.types import CertificateSigningRequest
    from fairlead.controllers.certificates.approving.plan import Permission

_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


def controller(context: Context) -> Controller:
    return _Approver(context).controller


class _Approver:
    def __init__(self, context: Context) -> None:
        self._client = context.client_of("certificate-controller")
        self._applier = context.applier("certificate-controller")
        self.controller = Controller("csrapproving", context.queue(), self._sync, workers=1)
        self._requests = Requests(context, self.controller.queue.add)

    async def _sync(self, key: str) -> None:
        from fairlead.api.certificates.certificatesigningrequest.request import contents
        from fairlead.controllers.certificates.approving.plan import approval, is_open, permissions

        found = self._requests.get(key)
        if found is None or not is_open(found):
            return
        for permission in permissions(found, contents(found.spec.request)):
            if await self._is_allowed(found, permission):
                await self._applier.apply(approval(found, permission))
                return

    async def _is_allowed(self, found: CertificateSigningRequest, permission: Permission) -> bool:
        """Returns whether the requesting user has the permission."""
        spec = found.spec
        attributes = {
            "group": "certificates.k8s.io",
            "version": "*",
            "resource": "certificatesigningrequests",
            "subresource": permission.subresource,
            "verb": "create",
        }
        user = {"user": spec.username, "uid": spec.uid, "groups": spec.groups, "extra": spec.extra}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": user | {"resourceAttributes": attributes},
        }
        answer = await self._client.raw("POST", _REVIEWS, body=msgspec.json.encode(review))
        return bool(msgspec.json.decode(answer)["status"].get("allowed"))
