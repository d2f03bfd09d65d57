"""PUT: replaces an object, and for some kinds creates an absent one (upstream's `AllowCreateOnUpdate`)."""

from __future__ import annotations

from functools import partial
from typing import Any

from fairlead.apiserver.model import RequestContext
from fairlead.apiserver.registry.create import Creator
from fairlead.apiserver.registry.prepare import NamespacedName, ensure_name_matches, ensure_version
from fairlead.apiserver.registry.update import Candidate, Updater
from fairlead.apiserver.serialization.body import decoded, is_large, read_object
from fairlead.apiserver.serialization.params import WriteOptions
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.apiserver.watchcache.target import Target
from fairlead.machinery.values.status import OBJECT_MODIFIED, StatusError
from fairlead.runtime.client import Request

_TRIES = 8


class Replacer:
    """Serves PUT."""

    def __init__(self, creator: Creator, updater: Updater) -> None:
        self._creator = creator
        self._updater = updater

    async def put(
        self, target: Target, request: Request, options: WriteOptions, context: RequestContext
    ) -> tuple[Entry, int]:
        """Returns the object, and 201 if it was created, else 200. Raises StatusError."""
        kind = target.resource.kind
        read = partial(read_object, kind, request, options.validation)
        first = [await decoded(request, read)] if is_large(request) else []

        async def change(_: Entry) -> Candidate:
            sent = first.pop() if first else read()
            ensure_version(kind, sent.obj, target.name)
            return Candidate(sent.obj, sent.warnings)

        if not kind.created_by_update or target.subresource:
            return await self._updater.update(target, change, options, context), 200
        for _ in range(_TRIES):
            if target.resource.cache.get(target.resource.key(target.namespace, target.name)):
                return await self._updater.update(target, change, options, context), 200
            sent = first.pop() if first else read()
            try:
                entry = await self._create(target, sent.obj, options, context)
            except StatusError as e:
                if e.reason != "AlreadyExists":
                    raise
            else:
                context.warn(*sent.warnings)
                return entry, 201
        raise target.resource.conflict(target.name, OBJECT_MODIFIED)

    async def _create(self, target: Target, obj: Any, options: WriteOptions, context: RequestContext) -> Entry:
        ensure_name_matches(obj, NamespacedName(target.namespace, target.name))
        if uid := obj.metadata.uid:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: "
            raise target.resource.conflict(target.name, why)
        obj.metadata.resourceVersion = ""
        return await self._creator.insert(target, obj, options, context)
