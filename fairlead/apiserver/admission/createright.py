"""Refuses what amounts to a create unless the user may create: an apply or a PUT of an absent object, and a GET that
opens a stream into a Pod.

Source: upstream's `withAuthorization`, which its handlers of PUT and PATCH put before the checks of a new object; and
its feature AuthorizePodWebsocketUpgradeCreatePermission (1.35): WebSockets open exec, attach and port-forward by GET.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.apiserver.auth.authorization import Authorizer, refusal
from fairlead.machinery.kinds.kind import Kind

_WRITES = frozenset({"update", "patch"})
_STREAMS = frozenset({"exec", "attach", "portforward"})


class CreateRight(AdmissionPlugin):
    """Asks for the right to create on behalf of other verbs."""

    name = "CreateRight"

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        return subresource in _STREAMS if operation == "CONNECT" else operation == "CREATE" and not subresource

    async def validate(self, attributes: Attributes) -> None:
        asked = attributes.context.info
        by_write = asked.verb in _WRITES and not asked.subresource
        by_stream = attributes.operation == "CONNECT" and asked.verb != "create"
        if not by_write and not by_stream:
            return
        info = msgspec.structs.replace(asked, verb="create")
        decision = await self._authorizer.authorize(attributes.user, info)
        if not decision.allowed:
            raise refusal(attributes.user, info, decision.reason)
