"""eviction: a delete of a Pod that a PodDisruptionBudget may refuse.

What must stay true: an eviction is granted by a write of the budget's status, which fails if another write came first.
Two evictions never use the same allowed disruption.
"""

from __future__ import annotations

import msgspec

from fairlead.api.core.pod.actions import Eviction
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.predicates import is_finished
from fairlead.api.core.pod.status import PodCondition
from fairlead.api.meta.deleteoptions import DeleteOptions, Preconditions
from fairlead.apiserver.admission.chain import AdmissionChain
from fairlead.apiserver.model import Outcome, json_response
from fairlead.apiserver.registry.delete import Deleter, check_preconditions
from fairlead.apiserver.registry.prepare import NamespacedName, ensure_action_matches
from fairlead.apiserver.registry.subresources.budgets import Budgets, goes_freely, too_many
from fairlead.apiserver.registry.subresources.table import Call
from fairlead.apiserver.registry.update import Candidate, Change, Updater
from fairlead.apiserver.serialization.accept import negotiate_form
from fairlead.apiserver.serialization.answers import success
from fairlead.apiserver.serialization.body import read_as
from fairlead.apiserver.serialization.params import WriteOptions, write_options
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.apiserver.watchcache.target import Target
from fairlead.base.clock import Clock
from fairlead.base.instant import render_time
from fairlead.machinery.kinds.decode import Target as Body
from fairlead.machinery.values.status import StatusError

_EVICTION = Body(Eviction, "Eviction", "policy/v1")
_REASON, _TEXT = "EvictionByEvictionAPI", "Eviction API: evicting"


class EvictionSubresource:
    """Serves eviction."""

    subresource = ("eviction", "Eviction")
    any_method = False

    def __init__(
        self, deleter: Deleter, updater: Updater, budgets: Budgets, admission: AdmissionChain, *, clock: Clock
    ) -> None:
        self._deleter = deleter
        self._updater = updater
        self._budgets = budgets
        self._admission = admission
        self._clock = clock

    async def handle(self, call: Call) -> Outcome:
        negotiate_form(call.request.headers.get("accept", ""), tables=False)
        options = write_options(call.request, "CreateOptions")
        sent = read_as(_EVICTION, call.request, options.validation).obj
        ensure_action_matches(sent, "Eviction", NamespacedName(call.target.namespace, call.target.name))
        dry_run = options.dry_run or bool(sent.deleteOptions and sent.deleteOptions.dryRun)
        eviction: Eviction = await self._admission.review(
            call.attributes("CREATE", sent, dry_run=dry_run, options=options)
        )
        deletion = eviction.deleteOptions or DeleteOptions()
        if options.dry_run:
            deletion.dryRun = ["All"]
        await self._evict(call, deletion)
        return json_response(success(201), 201)

    async def _evict(self, call: Call, deletion: DeleteOptions) -> None:
        """Deletes the Pod if its budget allows that. Raises StatusError 403, 404, 409, 429, 500."""
        entry = call.parent.resource.find(call.target.namespace, call.target.name)
        pod: Pod = entry.decode()
        check_preconditions(call.parent.resource, entry, pod.metadata, deletion)
        if _is_free(pod):
            await self._delete(call, deletion)
            return
        budget = self._budgets.of(pod)
        if budget is None or not goes_freely(pod, budget):
            if budget is not None:
                await self._budgets.take(budget, pod, call.context, dry_run=bool(deletion.dryRun))
            await self._delete(call, deletion)
            return
        # A Pod that has become ready meanwhile would count: it must be as it was seen.
        fixed = deletion.preconditions is not None and deletion.preconditions.resourceVersion is not None
        pinned = msgspec.structs.replace(deletion, preconditions=_pinned(deletion, entry.revision))
        try:
            await self._delete(call, pinned)
        except StatusError as error:
            if error.code == 409 and not fixed:
                raise too_many(budget.metadata.name) from error
            raise

    async def _delete(self, call: Call, deletion: DeleteOptions) -> None:
        if not deletion.dryRun:
            parent = call.parent
            status = Target(parent.resource, parent.namespace, parent.name, "status")
            written = await self._updater.update(status, self._marking(call, deletion), WriteOptions(), call.context)
            if deletion.preconditions is not None and deletion.preconditions.resourceVersion is not None:
                deletion = msgspec.structs.replace(deletion, preconditions=_pinned(deletion, written.revision))
        await self._deleter.delete(call.parent, deletion, call.context, admitted=True)

    def _marking(self, call: Call, deletion: DeleteOptions) -> Change:
        """Returns the change that says in the Pod's status why it ends."""

        async def change(entry: Entry) -> Candidate:
            pod: Pod = entry.decode()
            check_preconditions(call.parent.resource, entry, pod.metadata, deletion)
            new = PodCondition(
                type="DisruptionTarget",
                status="True",
                reason=_REASON,
                message=_TEXT,
                lastTransitionTime=render_time(self._clock.now()),
            )
            if all((c.type, c.status, c.reason) != (new.type, new.status, new.reason) for c in pod.status.conditions):
                pod.status.conditions = [*(c for c in pod.status.conditions if c.type != new.type), new]
            return Candidate(pod, admitted=True, final=True)

        return change


def _is_free(pod: Pod) -> bool:
    """Returns whether no budget counts the Pod: it has not started, or ends already."""
    return is_finished(pod) or pod.status.phase == "Pending" or bool(pod.metadata.deletionTimestamp)


def _pinned(deletion: DeleteOptions, revision: int) -> Preconditions:
    return msgspec.structs.replace(deletion.preconditions or Preconditions(), resourceVersion=str(revision))
