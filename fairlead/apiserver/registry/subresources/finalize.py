"""finalize: removes the finalizer of an empty namespace."""

from __future__ import annotations

from fairlead.api.core.namespace.kind import Namespace
from fairlead.apiserver.model import Outcome
from fairlead.apiserver.registry.prepare import NamespacedName, ensure_name_matches
from fairlead.apiserver.registry.response import object_response
from fairlead.apiserver.registry.subresources.table import Call
from fairlead.apiserver.registry.update import Candidate, Updater
from fairlead.apiserver.serialization.body import read_object
from fairlead.apiserver.serialization.params import write_options
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.base.clock import Clock


class FinalizeSubresource:
    """Serves finalize."""

    subresource = ("finalize", "Namespace")
    any_method = False

    def __init__(self, updater: Updater, *, clock: Clock) -> None:
        self._updater = updater
        self._clock = clock

    async def handle(self, call: Call) -> Outcome:
        options = write_options(call.request, "UpdateOptions")

        async def change(entry: Entry) -> Candidate:
            sent = read_object(call.target.resource.kind, call.request, options.validation).obj
            ensure_name_matches(sent, NamespacedName(call.target.namespace, call.target.name))
            namespace: Namespace = entry.decode()
            namespace.metadata.resourceVersion = sent.metadata.resourceVersion
            namespace.metadata.uid = sent.metadata.uid or namespace.metadata.uid
            namespace.spec.finalizers = sent.spec.finalizers
            return Candidate(namespace)

        entry = await self._updater.update(call.target, change, options, call.context)
        return object_response(call.target.resource.kind, call.request, entry, clock=self._clock)
