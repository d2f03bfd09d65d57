"""Dispatches a request about objects by its verb or by its subresource."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from fairlead.apiserver.model import Outcome, RequestContext, json_response
from fairlead.apiserver.registry.computed import ComputedKinds
from fairlead.apiserver.registry.delete import delete_response, read_options
from fairlead.apiserver.registry.patch import is_apply, patch_change
from fairlead.apiserver.registry.read import Reader
from fairlead.apiserver.registry.response import negotiated, object_response, renderer_for
from fairlead.apiserver.registry.reviews import Reviews
from fairlead.apiserver.registry.subresources.table import Call, SubresourceHandler, SubresourceTable
from fairlead.apiserver.registry.writers import Writers
from fairlead.apiserver.requestinfo import RequestInfo
from fairlead.apiserver.serialization.body import decoded
from fairlead.apiserver.serialization.params import list_options, write_options
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.apiserver.watchcache.filter import parse_filter
from fairlead.apiserver.watchcache.renderer import list_metadata
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.watchcache.target import Target, find_target
from fairlead.base.clock import Clock
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.machinery.values.status import method_not_allowed
from fairlead.runtime.client import Request


class Verbs:
    """Handles all requests about objects below /api and /apis. Implements `Subscriber` of the Scheme."""

    def __init__(  # noqa: PLR0913 -- the verbs and their tools
        self,
        scheme: Scheme,
        resources: Resources,
        reader: Reader,
        writers: Writers,
        served: Sequence[SubresourceHandler],
        computed: ComputedKinds,
        reviews: Reviews,
        *,
        clock: Clock,
    ) -> None:
        self._reader = reader
        self._writers = writers
        self._clock = clock
        self._computed = computed
        self._reviews = reviews
        self._exchanges = resources.exchanges
        self.find: Callable[[RequestInfo], Target | None] = partial(find_target, resources)
        """Returns the target of the request, or None if the path names nothing that is served."""
        self.subresources = SubresourceTable(served, self._part)
        for kind in scheme:
            self._check(kind)
        scheme.subscribe(self)

    async def find_later(self, info: RequestInfo) -> Target | None:
        """Waits until the kind of a request is served again, and returns the target; None if it is unknown."""
        return self.find(info) if await self._exchanges.wait(info.api_group, info.resource) else None

    async def kind_added(self, kind: Kind[Any]) -> None:
        """Raises ValueError for a kind that declares a subresource without code, or is computed without a source."""
        self._check(kind)

    def _check(self, kind: Kind[Any]) -> None:
        self.subresources.check(kind)
        self._computed.check(kind)
        self._reviews.check(kind)

    async def kind_removed(self, kind: Kind[Any]) -> None:
        """Does nothing, because nothing is stored by kind."""

    async def handle(self, target: Target, request: Request, context: RequestContext) -> Outcome:
        """Answers the request. Raises StatusError."""
        call, info = Call(target, request, context), context.info
        if target.resource.kind.deprecation:
            context.warn(target.resource.kind.deprecation)
        if target.resource.kind.remote is not None:
            await target.resource.ready(_ONE_NEW if info.verb == "create" else target.name, target.namespace)
        if target.subresource:
            return await self.subresources.handle(call)
        handler = _VERBS.get(info.verb)
        if handler is None or not _serves(target.resource.kind, info.verb) or not _fits(info, target):
            raise method_not_allowed()
        negotiated(target.resource.kind, request, stream=info.verb == "watch")  # refuses before anything is written
        if target.resource.kind.answered:
            return await self._reviews.handle(call)
        if target.resource.kind.computed:
            return await self._computed.handle(call)
        return await handler(self, call)

    async def _part(self, call: Call) -> Outcome:
        """Serves a subresource that is a field of the object."""
        return await _VERBS[call.context.info.verb](self, call)

    async def _get(self, call: Call) -> Outcome:
        target, request = call.target, call.request
        entry = target.resource.find(target.namespace, target.name)
        if negotiated(target.resource.kind, request).form == "Object":
            return json_response(entry.raw)
        return json_response(renderer_for(target.resource.kind, request, clock=self._clock).one(entry))

    async def _list(self, call: Call) -> Outcome:
        renderer = renderer_for(call.target.resource.kind, call.request, clock=self._clock)
        return self._reader.collection(call.target, list_options(call.request.query), renderer)

    async def _watch(self, call: Call) -> Outcome:
        renderer = renderer_for(call.target.resource.kind, call.request, clock=self._clock, stream=True)
        return self._reader.watch(call.target, list_options(call.request.query, watch=True), renderer)

    async def _create(self, call: Call) -> Outcome:
        target, request = call.target, call.request
        if target.resource.kind.namespaced and not target.namespace:
            raise method_not_allowed()
        options = write_options(request, "CreateOptions")
        entry = await self._writers.creator.create(target, request, options, call.context)
        return self._written(call, entry, 201)

    async def _put(self, call: Call) -> Outcome:
        options = write_options(call.request, "UpdateOptions")
        entry, status = await self._writers.replacer.put(call.target, call.request, options, call.context)
        return self._written(call, entry, status)

    async def _patch(self, call: Call) -> Outcome:
        request = call.request
        applies = is_apply(request)
        options = write_options(request, "PatchOptions", applies=applies)
        if applies:
            entry, status = await self._writers.applier.apply(call.target, request, options, call.context)
            return self._written(call, entry, status)
        change = patch_change(call.target.resource.kind, request, options)
        return self._written(call, await self._writers.updater.update(call.target, change, options, call.context))

    async def _delete(self, call: Call) -> Outcome:
        options = await decoded(call.request, lambda: read_options(call.request))
        return json_response(
            delete_response(call.target, await self._writers.deleter.delete(call.target, options, call.context))
        )

    async def _delete_all(self, call: Call) -> Outcome:
        target, request = call.target, call.request
        kind = target.resource.kind
        if kind.namespaced and not target.namespace:
            raise method_not_allowed()
        selected = list_options(request.query)
        filter = parse_filter(kind, target.namespace, "", selected.labels, selected.fields)
        options = await decoded(request, lambda: read_options(request))
        deleted = await self._writers.deleter.delete_all(target.resource, filter, options, call.context)
        revision = max((entry.revision for entry in deleted), default=0)
        renderer = renderer_for(kind, request, clock=self._clock)
        return json_response(renderer.many(deleted, list_metadata(revision)))

    def _written(self, call: Call, entry: Entry, status: int = 200) -> Outcome:
        return object_response(call.target.resource.kind, call.request, entry, clock=self._clock, status=status)


_ONE_NEW = "\0"
"""A name that no object has."""


def _serves(kind: Kind[Any], verb: str) -> bool:
    """Returns whether the kind has the verb. A create of a closed kind is refused later, with the reason."""
    return verb in kind.verbs or (verb == "create" and bool(kind.closed))


def _fits(info: RequestInfo, target: Target) -> bool:
    """Returns whether verb and path agree about a collection or a single object. A path may ask for a watch with
    any method and of a single object, too."""
    if info.verb == "watch":
        return info.method in ("GET", "HEAD")
    return (info.verb in _OF_COLLECTIONS) is not bool(target.name)


_Handler = Callable[[Verbs, Call], Awaitable[Outcome]]
_VERBS: dict[str, _Handler] = {
    "get": Verbs._get,
    "list": Verbs._list,
    "watch": Verbs._watch,
    "create": Verbs._create,
    "update": Verbs._put,
    "patch": Verbs._patch,
    "delete": Verbs._delete,
    "deletecollection": Verbs._delete_all,
}
_OF_COLLECTIONS = frozenset({"list", "create", "deletecollection"})
