"""Calls validating webhooks, all at once; the first in order that refuses the request decides.

Source: upstream's admission plug-in ValidatingAdmissionWebhook.
"""

from __future__ import annotations

import asyncio

from fairlead.apiserver.admission.bodies import Bodies
from fairlead.apiserver.admission.configured import ConfiguredPlugin
from fairlead.apiserver.admission.plugin import Attributes
from fairlead.apiserver.admission.webhooks.call import FailedCall, HookCaller, Invocation
from fairlead.apiserver.admission.webhooks.review import refusal
from fairlead.apiserver.admission.webhooks.source import HookSource

_FAILED_OPEN = "failed-open.validating.webhook.admission.k8s.io"


class ValidatingWebhooks(ConfiguredPlugin[HookSource]):
    """Lets validating webhooks refuse requests."""

    name = "ValidatingAdmissionWebhook"

    def __init__(self, source: HookSource, caller: HookCaller) -> None:
        super().__init__(source)
        self._caller = caller

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
