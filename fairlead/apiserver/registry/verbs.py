"""From a target and a method to the verb that answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from fairlead.api.core.namespace.kind import NAMESPACE
from fairlead.api.core.node.kind import NODE
from fairlead.api.core.pod.kind import POD
from fairlead.api.core.service.kind import SERVICE
from fairlead.api.core.serviceaccount.kind import SERVICE_ACCOUNT
from fairlead.apiserver.auth.tokenrequest import TokenIssuer
from fairlead.apiserver.connect.kubelet import Kubelet
from fairlead.apiserver.connect.proxying import Proxies
from fairlead.apiserver.model import Outcome, RequestContext, json_response
from fairlead.apiserver.registry.apply import Applier
from fairlead.apiserver.registry.create import Creator
from fairlead.apiserver.registry.delete import Deleter, answer, read_options
from fairlead.apiserver.registry.patch import is_apply, patch_change
from fairlead.apiserver.registry.read import Reader
from fairlead.apiserver.registry.subresources import Subresources, scale_of
from fairlead.apiserver.registry.update import Candidate, Updater
from fairlead.apiserver.requestinfo import RequestInfo
from fairlead.apiserver.serialization.accept import wanted_form
from fairlead.apiserver.serialization.body import decoded, is_large, read_object
from fairlead.apiserver.serialization.params import list_options, write_options
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.apiserver.watchcache.filter import parse_filter
from fairlead.apiserver.watchcache.represent import Represent, list_metadata
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.watchcache.target import Target, find_target
from fairlead.base.clock import Clock
from fairlead.machinery.decode import encode
from fairlead.machinery.kind import Kind
from fairlead.machinery.status import method_not_allowed, no_such_resource
from fairlead.runtime.client import Request

_OPTIONS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}
_INCLUDE: Mapping[str, Any] = {"": "Metadata", "None": "None", "Metadata": "Metadata", "Object": "Object"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verbs:
    """Everything below /api and /apis that is about objects."""

    resources: Resources
    reader: Reader
    creator: Creator
    updater: Updater
    deleter: Deleter
    applier: Applier
    subresources: Subresources
    tokens: TokenIssuer
    kubelet: Kubelet
    proxies: Proxies
    clock: Clock

    def find(self, info: RequestInfo) -> Target | None:
        """Returns what the request is about, or None if the path names nothing that is served."""
        return find_target(self.resources, info)

    async def handle(self, target: Target, request: Request, context: RequestContext) -> Outcome:
        """Raises StatusError."""
        if target.subresource:
            return await self._subresource(target, request)
        verb = context.info.verb
        handler = _VERBS.get(verb)
        if handler is None or not _fits(context.info, target):
            raise method_not_allowed()
        return await handler(self, target, request)

    async def _get(self, target: Target, request: Request) -> Outcome:
        entry = target.resource.find(target.namespace, target.name)
        form = wanted_form(request.headers.get("accept", ""))
        if form == "Object":
            return json_response(entry.raw)
        return json_response(self._represent(target.resource.kind, request).one(entry))

    async def _list(self, target: Target, request: Request) -> Outcome:
        represent = self._represent(target.resource.kind, request)
        return self.reader.collection(target, list_options(request.query), represent)

    async def _watch(self, target: Target, request: Request) -> Outcome:
        represent = self._represent(target.resource.kind, request)
        return self.reader.watch(target, list_options(request.query, watch=True), represent)

    async def _create(self, target: Target, request: Request) -> Outcome:
        if target.resource.kind.namespaced and not target.namespace:
            raise method_not_allowed()
        entry, warnings = await self.creator.create(target, request, write_options(request, "CreateOptions"))
        return self._written(target, request, entry, warnings, 201)

    async def _put(self, target: Target, request: Request) -> Outcome:
        options = write_options(request, "UpdateOptions")
        kind = target.resource.kind

        read = partial(read_object, kind, request, options.validation)
        first = [await decoded(request, read)] if is_large(request) else []

        def change(_: Entry) -> Candidate:
            found = first.pop() if first else read()
            return Candidate(found.obj, found.warnings)

        entry, warnings = await self.updater.update(target, change, options)
        return self._written(target, request, entry, warnings)

    async def _patch(self, target: Target, request: Request) -> Outcome:
        applies = is_apply(request)
        options = write_options(request, "PatchOptions", applies=applies)
        if applies:
            entry, warnings, status = await self.applier.apply(target, request, options)
            return self._written(target, request, entry, warnings, status)
        change = patch_change(target.resource.kind, request, options)
        entry, warnings = await self.updater.update(target, change, options)
        return self._written(target, request, entry, warnings)

    async def _delete(self, target: Target, request: Request) -> Outcome:
        wanted = await decoded(request, lambda: read_options(request))
        return json_response(answer(target, await self.deleter.delete(target, wanted)))

    async def _delete_all(self, target: Target, request: Request) -> Outcome:
        kind = target.resource.kind
        if "deletecollection" not in kind.verbs or (kind.namespaced and not target.namespace):
            raise method_not_allowed()
        options = list_options(request.query)
        filter = parse_filter(kind, target.namespace, "", options.labels, options.fields)
        wanted = await decoded(request, lambda: read_options(request))
        gone = await self.deleter.delete_all(target.resource, filter, wanted)
        revision = max((entry.revision for entry in gone), default=0)
        return json_response(self._represent(kind, request).many(gone, list_metadata(revision)))

    def _written(
        self, target: Target, request: Request, entry: Entry, warnings: list[str], status: int = 200
    ) -> Outcome:
        if wanted_form(request.headers.get("accept", "")) == "Object":
            return json_response(entry.raw, status, warnings)
        return json_response(self._represent(target.resource.kind, request).one(entry), status, warnings)

    def _represent(self, kind: Kind[Any], request: Request) -> Represent:
        form = wanted_form(request.headers.get("accept", ""))
        return Represent(kind, form, _INCLUDE.get(request.query.get("includeObject", ""), "Metadata"), self.clock)

    async def _subresource(self, target: Target, request: Request) -> Outcome:
        kind, name, method = target.resource.kind, target.subresource, request.method
        if (name == "status" and kind.status) or kind.part(name) is not None:
            handler = _ON_PART.get(method)
            if handler is not None:
                return await handler(self, target, request)
        elif name == "scale" and kind.scale:
            return await self._scale(target, request)
        elif name == "proxy" and kind in (POD, SERVICE, NODE):
            return self.proxies.locate(target)
        elif kind is POD and name in ("log", "exec", "attach", "portforward") and method in ("GET", "POST"):
            return await self.kubelet.handle(target, request)
        elif method == "POST" and (kind, name) in ((POD, "binding"), (POD, "eviction"), (SERVICE_ACCOUNT, "token")):
            return await self._act(target, request)
        elif kind is NAMESPACE and name == "finalize" and method == "PUT":
            options = write_options(request, "UpdateOptions")
            entry, warnings = await self.subresources.finalize(target, request, options)
            return self._written(target, request, entry, warnings)
        else:
            raise no_such_resource()
        raise method_not_allowed()

    async def _scale(self, target: Target, request: Request) -> Outcome:
        if request.method == "GET":
            return json_response(encode(scale_of(target.resource.find(target.namespace, target.name))))
        if request.method not in ("PUT", "PATCH"):
            raise method_not_allowed()
        options = write_options(request, _OPTIONS[request.method], applies=is_apply(request))
        body, warnings = await self.subresources.scale(target, request, options)
        return json_response(body, 200, warnings)

    async def _act(self, target: Target, request: Request) -> Outcome:
        wanted_form(request.headers.get("accept", ""), tables=False)
        if target.subresource == "binding":
            options = write_options(request, "CreateOptions")
            return json_response(await self.subresources.bind(target, request, options), 201)
        if target.subresource == "eviction":
            return json_response(await self.subresources.evict(target, request), 201)
        return json_response(self.tokens.issue(target, request), 201)


def _fits(info: RequestInfo, target: Target) -> bool:
    """Returns whether the verb is one of a collection or of an object, as the path is. A path may ask for a watch with
    any method and of a single object, too."""
    if info.verb == "watch":
        return info.method in ("GET", "HEAD")
    return (info.verb in _OF_COLLECTIONS) is not bool(target.name)


Handler = Callable[[Verbs, Target, Request], Awaitable[Outcome]]
_ON_PART: dict[str, Handler] = {"GET": Verbs._get, "HEAD": Verbs._get, "PUT": Verbs._put, "PATCH": Verbs._patch}
_VERBS: dict[str, Handler] = {
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
