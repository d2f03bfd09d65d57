"""eviction: a delete of a Pod that may be refused; refusals are not implemented yet."""

from __future__ import annotations

from fairlead.api.core.pod.actions import Eviction
from fairlead.api.meta.deleteoptions import DeleteOptions
from fairlead.apiserver.admission.chain import AdmissionChain
from fairlead.apiserver.model import Outcome, json_response
from fairlead.apiserver.registry.delete import Deleter
from fairlead.apiserver.registry.prepare import NamespacedName, ensure_action_matches
from fairlead.apiserver.registry.subresources.table import Call
from fairlead.apiserver.serialization.accept import negotiate_form
from fairlead.apiserver.serialization.answers import success
from fairlead.apiserver.serialization.body import read_as
from fairlead.apiserver.serialization.params import write_options
from fairlead.machinery.kinds.decode import Target as Body

_EVICTION = Body(Eviction, "Eviction", "policy/v1")


class EvictionSubresource:
    """Serves eviction."""

    subresource = ("eviction", "Eviction")
    any_method = False

    def __init__(self, deleter: Deleter, admission: AdmissionChain) -> None:
        self._deleter = deleter
        self._admission = admission

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
        await self._deleter.delete(call.parent, deletion, call.context, admitted=True)
        return json_response(success(201), 201)
