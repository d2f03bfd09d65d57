"""Refuses an apply or a PUT that would create an object, unless the user may create it too.

Source: upstream's `withAuthorization`, which its handlers of PUT and PATCH put before the checks of a new object.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.apiserver.auth.authorization import Authorizer, refusal
from fairlead.machinery.kinds.kind import Kind

_OTHERS = frozenset({"update", "patch"})


class CreateRight(AdmissionPlugin):
    """Asks for the right to create on behalf of other verbs."""

    name = "CreateRight"

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        return operation == "CREATE" and not subresource

    async def validate(self, attributes: Attributes) -> None:
        asked = attributes.context.info
        if asked.verb not in _OTHERS or asked.subresource:
            return
        info = msgspec.structs.replace(asked, verb="create")
        decision = await self._authorizer.authorize(attributes.user, info)
        if not decision.allowed:
            raise refusal(attributes.user, info, decision.reason)
