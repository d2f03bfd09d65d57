"""Calls mutating webhooks one after the other; each sees what those before it changed.

If the object changed after a webhook with `reinvocationPolicy: IfNeeded` was called, the whole chain of plug-ins runs
once more and calls such webhooks again. Source: upstream's admission plug-in MutatingAdmissionWebhook.
"""

from __future__ import annotations

import json

from fairlead.apiserver.admission.bodies import Bodies
from fairlead.apiserver.admission.configured import ConfiguredPlugin
from fairlead.apiserver.admission.plugin import Attributes, Reinvocation
from fairlead.apiserver.admission.webhooks.call import FailedCall, HookCaller, Invocation
from fairlead.apiserver.admission.webhooks.review import Answer, refusal
from fairlead.apiserver.admission.webhooks.source import HookSource
from fairlead.machinery.patches.patch import json_patch
from fairlead.machinery.values.quoting import go_quote
from fairlead.machinery.values.status import StatusError, internal_error

_FAILED_OPEN = "failed-open.mutating.webhook.admission.k8s.io"
_MUTATION = "mutation.webhook.admission.k8s.io"


class MutatingWebhooks(ConfiguredPlugin[HookSource]):
    """Lets mutating webhooks change and refuse requests."""

    name = "MutatingAdmissionWebhook"

    def __init__(self, source: HookSource, caller: HookCaller) -> None:
        super().__init__(source)
        self._caller = caller

    async def admit(self, attributes: Attributes) -> None:
        state = attributes.reinvocation = attributes.reinvocation or Reinvocation()
        bodies = Bodies(attributes)
        memory = state.enter(self.name, bodies.new(bodies.requested) if state.active else None)
        for candidate in self._source.candidates(attributes.operation, attributes.kind, attributes.subresource):
            invocation = await self._caller.select(candidate, attributes, bodies)
            if invocation is None or (state.active and invocation.hook.key not in memory.again):
                continue
            if await self._ask(invocation, attributes, bodies):
                memory.object_changed()
                state.requested = True
            if invocation.hook.reinvoked:
                memory.eligible.add(invocation.hook.key)
        memory.output = bodies.new(bodies.requested)

    async def _ask(self, invocation: Invocation, attributes: Attributes, bodies: Bodies) -> bool:
        """Calls a webhook and applies its patch. Returns whether the object changed. Raises StatusError."""
        hook = invocation.hook
        assert attributes.reinvocation is not None
        place = f"round_{int(attributes.reinvocation.active)}_index_{invocation.index}"
        changed = False
        try:
            answer = await self._caller.call(invocation, attributes, bodies)
            if not answer.allowed:
                raise refusal(hook.name, answer.status)
            changed = _apply(answer, invocation, attributes, bodies)
        except FailedCall as failed:
            if not hook.ignores_failures:
                raise failed.status() from failed
            attributes.annotate(f"{_FAILED_OPEN}/{place}", hook.name)
        finally:
            note = {"configuration": hook.configuration, "webhook": hook.name, "mutated": changed}
            attributes.annotate(f"{_MUTATION}/{place}", json.dumps(note, separators=(",", ":")))
        return changed


def _apply(answer: Answer, invocation: Invocation, attributes: Attributes, bodies: Bodies) -> bool:
    """Applies the patch of an answer. Returns whether the object changed. Raises StatusError 500."""
    if not answer.patch:
        return False
    version = invocation.version
    before = bodies.new(version)
    if before is None:
        name = go_quote(invocation.hook.name)
        text = f"admission webhook {name} attempted to modify the object, which is not supported for this operation"
        raise internal_error(text)
    metadata = getattr(attributes.obj, "metadata", None)
    try:
        bodies.replace(json_patch(before, answer.patch), version)
    except StatusError as e:
        raise internal_error(e.message) from e
    if metadata is not None:
        attributes.obj.metadata.managedFields = metadata.managedFields  # only the server maintains them
    return bodies.new(version) != before
