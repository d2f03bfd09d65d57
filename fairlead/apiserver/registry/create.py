"""create: POST to a collection."""

from __future__ import annotations

from functools import partial
from typing import Any

from fairlead.api.meta.types import ManagedFieldsEntry, ObjectMeta
from fairlead.apiserver.admission.chain import AdmissionChain
from fairlead.apiserver.admission.plugin import Attributes
from fairlead.apiserver.model import RequestContext
from fairlead.apiserver.registry.prepare import (
    NamespacedName,
    begin_create,
    ensure_name_matches,
    generated_name,
    identify,
)
from fairlead.apiserver.registry.tracking import track_create
from fairlead.apiserver.registry.writer import Writer
from fairlead.apiserver.serialization.body import decoded, is_large, read_object
from fairlead.apiserver.serialization.params import WriteOptions
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.apiserver.watchcache.target import Target
from fairlead.base.clock import Clock
from fairlead.base.ids import IdSource
from fairlead.machinery.kinds.checks import check, check_metadata
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.status import StatusError, forbidden_object, invalid_object
from fairlead.runtime.client import Request

_NAME_TRIES = 8


class Creator:
    """Serves create."""

    def __init__(self, writer: Writer, admission: AdmissionChain, *, clock: Clock, ids: IdSource) -> None:
        self._writer = writer
        self._admission = admission
        self._clock = clock
        self._ids = ids

    async def create(self, target: Target, request: Request, options: WriteOptions, context: RequestContext) -> Entry:
        """Returns the new object. Raises StatusError 400, 403, 404, 409, 415, 422."""
        kind = target.resource.kind
        decode = partial(read_object, kind, request, options.validation)
        read = await decoded(request, decode) if is_large(request) else decode()
        ensure_name_matches(read.obj, NamespacedName(target.namespace, ""))
        context.warn(*read.warnings)
        return await self.insert(target, read.obj, options, context)

    async def insert(
        self,
        target: Target,
        obj: Any,
        options: WriteOptions,
        context: RequestContext,
        *,
        owners: list[ManagedFieldsEntry] | None = None,
    ) -> Entry:
        """Creates a decoded object and takes it over. Raises StatusError. The manager of the options owns the
        fields, unless `owners` is given."""
        kind, now = target.resource.kind, self._clock.now()
        if kind.closed:
            raise forbidden_object(kind.plural, kind.group, obj.metadata.name, kind.closed)
        begin_create(obj)
        obj = kind.default(obj)
        kind.default_times(obj, now)
        if owners is None:
            track_create(kind, obj, options.manager, now=now)
        else:
            obj.metadata.managedFields = owners
        plugins = self._admission.select("CREATE", kind)
        if plugins is not None:
            attributes = Attributes(
                operation="CREATE",
                kind=kind,
                namespace=target.namespace,
                obj=obj,
                dry_run=options.dry_run,
                options=options,
                context=context,
            )
            await plugins.admit(attributes)
            obj = attributes.obj
            ensure_name_matches(obj, NamespacedName(target.namespace, ""))
        identify(kind, obj, uid=self._ids.uid(), now=now)
        base = self._name(obj.metadata)
        obj = kind.prepare_create(obj)
        kind.stamp(obj, context.user)
        self._writer.complete(kind, None, obj)
        self._check(kind, obj)
        if plugins is None:
            return await self._store(target, obj, base, options, context)
        attributes.obj = obj
        try:
            await plugins.validate(attributes)
            return await self._store(target, obj, base, options, context)
        finally:
            plugins.finish(attributes)

    async def insert_own(self, target: Target, obj: Any, context: RequestContext) -> Entry:
        """Creates an object of this program in a new cluster: with its defaults, but without admission and checks,
        whose schemas take 6 ms to read. A test checks such objects. Raises StatusError 409, 422, 500."""
        kind, now = target.resource.kind, self._clock.now()
        begin_create(obj)
        obj = kind.default(obj)
        kind.default_times(obj, now)
        identify(kind, obj, uid=self._ids.uid(), now=now)
        obj = kind.prepare_create(obj)
        kind.stamp(obj, context.user)
        self._writer.complete(kind, None, obj)
        return await self._writer.insert(target.resource, obj, dry_run=False)

    async def insert_known(self, target: Target, obj: Any) -> Entry:
        """Creates an object that is part of the program and has its defaults, without admission and checks: a test
        checks such objects. Raises StatusError 409, 500."""
        identify(target.resource.kind, obj, uid=self._ids.uid(), now=self._clock.now())
        return await self._writer.insert(target.resource, obj, dry_run=False)

    async def _store(
        self, target: Target, obj: Any, base: str, options: WriteOptions, context: RequestContext
    ) -> Entry:
        """Stores a checked object; generates another name if the generated one is taken."""
        context.warn(*target.resource.kind.notices(obj))
        for _ in range(_NAME_TRIES):
            try:
                return await self._writer.insert(target.resource, obj, dry_run=options.dry_run)
            except StatusError as e:
                if e.reason != "AlreadyExists" or not base:
                    raise
                taken = e
                obj.metadata.name = generated_name(base, self._ids.suffix())
        raise taken

    def _name(self, meta: ObjectMeta) -> str:
        """Generates a name if the object needs one; returns its prefix then, else ""."""
        if meta.name or not meta.generateName:
            return ""
        meta.name = generated_name(meta.generateName, self._ids.suffix())
        return meta.generateName

    def _check(self, kind: Kind[Any], obj: Any) -> None:
        meta: ObjectMeta = obj.metadata
        if errors := [*check_metadata(kind, meta), *check(kind, obj), *kind.create_rules(obj)]:
            raise invalid_object(kind.kind, kind.group, meta.name, errors)
