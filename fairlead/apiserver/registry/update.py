"""update and patch: computes a new state from the current one, and writes it if the object has not changed meanwhile.

A request that names a resourceVersion gets a 409 if that is not the current one; a request without one is applied to
the current state, repeatedly if necessary.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from fairlead.api.meta.deletion import can_be_removed
from fairlead.apiserver.admission.chain import AdmissionChain
from fairlead.apiserver.admission.plugin import Attributes
from fairlead.apiserver.model import RequestContext
from fairlead.apiserver.registry.prepare import NamespacedName, ensure_name_matches, prepare_update
from fairlead.apiserver.registry.tracking import track_update
from fairlead.apiserver.registry.writer import WriteConflict, Writer
from fairlead.apiserver.serialization.params import WriteOptions
from fairlead.apiserver.watchcache.cache import Entry
from fairlead.apiserver.watchcache.resource import Resource
from fairlead.apiserver.watchcache.target import Target
from fairlead.base.clock import Clock
from fairlead.machinery.kinds.checks import check, check_metadata, check_metadata_update, immutable
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.status import OBJECT_MODIFIED, FieldError, invalid_object


class Candidate(msgspec.Struct):
    """A proposed state of an object, with its warnings."""

    obj: Any
    warnings: Sequence[str] = ()
    tracked: bool = False
    """True if `managedFields` are already final."""
    through: str = ""
    """The written subresource, if the target is its parent."""
    admitted: bool = False
    """True if admission has already decided about the body."""
    final: bool = False
    """True if the server itself computed the state: it is neither tracked nor checked."""


Change = Callable[[Entry], Awaitable[Candidate]]
"""Computes the desired state from the current one; called again if another write came between."""


class Updater:
    """Serves update and patch."""

    def __init__(self, writer: Writer, admission: AdmissionChain, *, clock: Clock) -> None:
        self._writer = writer
        self._admission = admission
        self._clock = clock

    async def update(self, target: Target, change: Change, options: WriteOptions, context: RequestContext) -> Entry:
        """Applies a change to the object that the target names. Raises StatusError 400, 403, 404, 409, 422."""
        resource = target.resource
        while True:
            entry = resource.find(target.namespace, target.name)
            candidate = await change(entry)
            self._check_version(resource, entry, candidate.obj)
            new, finish = await self._prepared(target, entry.decode(), candidate, options, context)
            try:
                if can_be_removed(resource.kind, new):
                    written = await self._finish(resource, entry, new, dry_run=options.dry_run)
                else:
                    written = await self._writer.replace(resource, entry, new, dry_run=options.dry_run)
            except WriteConflict:
                continue
            finally:
                finish()
            context.warn(*candidate.warnings, *(resource.kind.notices(new) if not target.subresource else ()))
            return written

    async def _finish(self, resource: Resource, entry: Entry, new: Any, *, dry_run: bool) -> Entry:
        """Removes a terminating object after its last finalizer is gone."""
        removed = await self._writer.remove(resource, entry, dry_run=dry_run)
        raw = resource.form.splice(resource.form.stored(new), removed.revision)
        return Entry(removed.form, removed.key, raw, removed.revision)

    def _check_version(self, resource: Resource, entry: Entry, new: Any) -> None:
        asked, uid = new.metadata.resourceVersion, new.metadata.uid
        if asked and asked != "0" and asked != str(entry.revision):
            raise resource.conflict(entry.name, OBJECT_MODIFIED)
        if uid:
            current = entry.decode().metadata.uid
            if uid != current:
                raise resource.conflict(
                    entry.name, f"Precondition failed: UID in precondition: {uid}, UID in object meta: {current}"
                )

    async def _prepared(
        self, target: Target, old: Any, candidate: Candidate, options: WriteOptions, context: RequestContext
    ) -> tuple[Any, Callable[[], None]]:
        """Returns the state to write, and a function to call when the write has happened or failed."""
        kind, new, subresource = target.resource.kind, candidate.obj, target.subresource
        ensure_name_matches(new, NamespacedName(target.namespace, target.name))
        new = kind.default(new)
        kind.default_times(new, self._clock.now())
        if not candidate.tracked and not candidate.final:
            through = subresource or candidate.through
            track_update(kind, old, new, options.manager, subresource=through, now=self._clock.now())
        plugins = None if candidate.admitted else self._admission.select("UPDATE", kind, subresource)
        if plugins is not None:
            attributes = Attributes(
                operation="UPDATE",
                kind=kind,
                subresource=subresource,
                namespace=target.namespace,
                name=target.name,
                obj=new,
                old=old,
                dry_run=options.dry_run,
                options=options,
                context=context,
            )
            await plugins.admit(attributes)
            new = attributes.obj
        if not subresource:
            new = kind.prepare_update(old, new)
        prepare_update(kind, old, new, subresource, now=self._clock.now())
        if not subresource:
            self._writer.complete(kind, old, new)
        if not candidate.final and (errors := _errors(kind, old, new, subresource)):
            raise invalid_object(kind.kind, kind.group, target.name, errors)
        if plugins is None:
            return new, _nothing
        attributes.obj = new
        await plugins.validate(attributes)
        return new, partial(plugins.finish, attributes)


def _nothing() -> None:
    pass


def _errors(kind: Kind[Any], old: Any, new: Any, subresource: str) -> list[FieldError]:
    part = kind.part(subresource)
    return [
        *check_metadata(kind, new.metadata),
        *check_metadata_update(old.metadata, new.metadata),
        *check(kind, new),
        *immutable(kind, old, new),
        *(part.transition if part is not None else kind.transition)(old, new),
    ]
