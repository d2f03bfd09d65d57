"""Calls validating webhooks, all at once; the first in order that refuses the request decides.

Source: upstream's admission plug-in ValidatingAdmissionWebhook.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from fairlead.apiserver.admission.bodies import Bodies
from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.apiserver.admission.webhooks.call import FailedCall, HookCaller, Invocation
from fairlead.apiserver.admission.webhooks.review import refusal
from fairlead.apiserver.admission.webhooks.source import HookSource
from fairlead.machinery.kinds.kind import Kind

_FAILED_OPEN = "failed-open.validating.webhook.admission.k8s.io"


class ValidatingWebhooks(AdmissionPlugin):
    """Lets validating webhooks refuse requests."""

    name = "ValidatingAdmissionWebhook"

    def __init__(self, source: HookSource, caller: HookCaller) -> None:
        self._source = source
        self._caller = caller

    def follow(self, changed: Callable[[], None]) -> None:
        self._source.follow(changed)

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        return bool(self._source.candidates(operation, kind, subresource))

    async def validate(self, attributes: Attributes) -> None:
        bodies = Bodies(attributes)
        candidates = self._source.candidates(attributes.operation, attributes.kind, attributes.subresource)
        selected = [await self._caller.select(candidate, attributes, bodies) for candidate in candidates]
        calls = [invocation for invocation in selected if invocation is not None]
        if not calls:
            return
        # Calls end by themselves at their time-outs; if the client goes away, gather cancels all.
        results = await asyncio.gather(
            *(self._ask(i, call, attributes, bodies) for i, call in enumerate(calls)), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _ask(self, index: int, invocation: Invocation, attributes: Attributes, bodies: Bodies) -> None:
        hook = invocation.hook
        try:
            answer = await self._caller.call(invocation, attributes, bodies)
        except FailedCall as failed:
            if not hook.ignores_failures:
                raise failed.status() from failed
            attributes.annotate(f"{_FAILED_OPEN}/round_0_index_{index}", hook.name)
            return
        if not answer.allowed:
            raise refusal(hook.name, answer.status)
