"""Selects the webhooks that a request must pass, and calls one of them: for mutating and validating webhooks."""

from __future__ import annotations

from fairlead.apiserver.admission.bodies import Bodies
from fairlead.apiserver.admission.conditions import Conditions
from fairlead.apiserver.admission.matching import (
    ResourceVersionKind,
    find_resource,
    matches_object,
)
from fairlead.apiserver.admission.namespaces import NamespaceLabels
from fairlead.apiserver.admission.plugin import Attributes
from fairlead.apiserver.admission.requesttree import request_tree
from fairlead.apiserver.admission.webhooks.review import Answer, InvalidAnswer, read_answer, review_body, version_for
from fairlead.apiserver.admission.webhooks.source import Candidate, Hook
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.webhook.caller import WebhookCaller
from fairlead.apiserver.webhook.model import CallError
from fairlead.base.dataclass import dataclass
from fairlead.base.ids import IdSource
from fairlead.machinery.values.quoting import go_quote
from fairlead.machinery.values.status import StatusError, bad_request, internal_error


class FailedCall(Exception):
    """A webhook was called in vain; `failurePolicy` decides about the request."""

    def __init__(self, hook: Hook, why: str) -> None:
        super().__init__(f"failed calling webhook {go_quote(hook.name)}: {why}")

    def status(self) -> StatusError:
        """Returns the error of the request if failures are not ignored."""
        return internal_error(str(self))


@dataclass(frozen=True, slots=True)
class Invocation:
    """A webhook that is to be called, with the version of the resource that it expects."""

    hook: Hook
    index: int
    version: ResourceVersionKind


class HookCaller:
    """Selects webhooks for a request, and calls them."""

    def __init__(
        self, resources: Resources, caller: WebhookCaller, conditions: Conditions, *, ids: IdSource, mutating: bool
    ) -> None:
        self._namespaces = NamespaceLabels(resources)
        self._caller = caller
        self._conditions = conditions
        self._ids = ids
        self._mutating = mutating

    async def select(self, candidate: Candidate, attributes: Attributes, bodies: Bodies) -> Invocation | None:
        """Returns the call to make, or None if the webhook is not about the request. Raises StatusError 403, 404."""
        hook = candidate.hook
        version = find_resource(candidate.pairs, attributes)
        if version is None or not matches_object(hook.objects, attributes):
            return None
        if not self._namespaces.match(hook.namespaces, attributes):
            return None
        if hook.spec.matchConditions and not self._conditions.hold(
            hook.spec.matchConditions, attributes, bodies, version, ignores_failures=hook.ignores_failures
        ):
            return None
        return Invocation(hook, candidate.index, version)

    async def call(self, invocation: Invocation, attributes: Attributes, bodies: Bodies) -> Answer:
        """Returns the answer, after its warnings and audit annotations were added. Raises FailedCall, StatusError."""
        hook = invocation.hook
        if attributes.dry_run and hook.spec.sideEffects not in ("None", "NoneOnDryRun"):
            raise bad_request(f"admission webhook {go_quote(hook.name)} does not support dry run")
        version = version_for(hook.spec.admissionReviewVersions)
        if version is None:
            text = "webhook does not accept known AdmissionReview versions (v1, v1beta1)"
            raise FailedCall(hook, f"could not create admission objects: {text}")
        uid = self._ids.uid()
        new, old = bodies.new(invocation.version), bodies.old(invocation.version)
        request = request_tree(attributes, bodies, invocation.version)
        body = review_body(request, version=version, uid=uid, new=new, old=old)
        try:
            sent = await self._caller.post(hook.target, body, timeout_s=hook.timeout_s)
        except CallError as e:
            raise FailedCall(hook, f"failed to call webhook: {e}") from e
        try:
            answer = read_answer(sent, version=version, uid=uid, mutating=self._mutating)
        except InvalidAnswer as e:
            raise FailedCall(hook, f"received invalid webhook response: {e}") from e
        for key, value in answer.annotations.items():
            attributes.annotate(f"{hook.name}/{key}", value)
        for text in answer.warnings:
            attributes.warn(text)
        return answer
