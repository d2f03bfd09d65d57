"""Serves the kinds that CustomResourceDefinitions declare, and keeps the state of the definitions.

What must stay true: a definition is Established only while its kinds are served; a definition that is deleted stays
until all of its objects are gone; kinds of established definitions are served before the server is ready.

Upstream has a controller each for names, establishing, deletion and OpenAPI; here one task does all steps for one
definition after another, and a further task empties each definition that is deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from fairlead.api.apiextensions.customresourcedefinition import CUSTOM_RESOURCE_DEFINITION
from fairlead.api.meta.deleteoptions import DeleteOptions
from fairlead.apiserver.model import internal
from fairlead.apiserver.registry.update import Candidate
from fairlead.apiserver.registry.writers import Writers
from fairlead.apiserver.serialization.params import WriteOptions
from fairlead.apiserver.watchcache.cache import Entry, Event
from fairlead.apiserver.watchcache.filter import parse_filter
from fairlead.apiserver.watchcache.resource import Resource, Resources
from fairlead.apiserver.watchcache.target import Target
from fairlead.apiserver.webhook.caller import WebhookCaller
from fairlead.apiserver.webhook.model import target_of
from fairlead.base.clock import Clock
from fairlead.base.ids import IdSource
from fairlead.base.instant import render_time
from fairlead.base.log import Log
from fairlead.base.tasks import Nursery
from fairlead.machinery.kinds.kind import Kind, RemoteConversion
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.machinery.values.status import StatusError
from fairlead.store.model import StoreError

if TYPE_CHECKING:
    from fairlead.api.apiextensions.customresourcedefinition.outline import Outline

_RETRY_S = 1.0


class CustomResources:
    """Follows the definitions."""

    def __init__(  # noqa: PLR0913 -- one value for each thing that a definition changes
        self,
        resources: Resources,
        scheme: Scheme,
        writers: Writers,
        nursery: Nursery,
        caller: WebhookCaller,
        *,
        ids: IdSource,
        clock: Clock,
        log: Log,
    ) -> None:
        self._definitions: Resource = resources.of(CUSTOM_RESOURCE_DEFINITION)
        self._resources = resources
        self._scheme = scheme
        self._writers = writers
        self._nursery = nursery
        self._caller = caller
        self._ids = ids
        self._clock = clock
        self._log = log
        self._served: dict[str, _Served] = {}
        self._outlines: dict[str, Outline] = {}
        self._emptying: set[str] = set()
        self._waiting: dict[str, None] = {}
        self._wake = asyncio.Event()

    async def load(self) -> None:
        """Serves the kinds of all established definitions, and follows the definitions from now on."""
        self._definitions.cache.listeners[self] = self._on_change
        for entry in self._definitions.cache.select():
            self._add(entry.name)
            crd = self._outline(entry)
            if _is_true(crd, "Established"):
                await self._try(entry.name, partial(self._serve, crd))

    async def run(self) -> None:
        """Acts on changes of definitions. Runs until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                name = next(iter(self._waiting))
                del self._waiting[name]
                await self._try(name, partial(self._sync, name))

    def _on_change(self, event: Event) -> None:
        self._add(event.entry.name)

    def _add(self, name: str) -> None:
        self._waiting[name] = None
        self._wake.set()

    async def _try(self, name: str, work: Callable[[], Any]) -> None:
        try:
            await work()
        except (StatusError, StoreError, ValueError) as e:
            self._log.error("cannot serve a custom resource", definition=name, error=str(e))
            asyncio.get_running_loop().call_later(_RETRY_S, self._add, name)

    async def _sync(self, name: str) -> None:
        entry = self._definitions.cache.get(name)
        if entry is None:
            self._outlines.pop(name, None)
            await self._withdraw(name)
            return
        crd = self._outline(entry)
        if crd.metadata.deletionTimestamp is not None:
            await self._begin_emptying(crd)
            return
        from fairlead.api.apiextensions.customresourcedefinition.naming import (
            establish,
            set_names,
        )  # needs the kind's types

        before = msgspec.json.encode(crd.status)
        others = [one for other, one in self._outlines.items() if other != name and one.spec.group == crd.spec.group]
        set_names(crd, others, now=self._now())
        if _is_true(crd, "NamesAccepted") or _is_true(crd, "Established"):
            await self._serve(crd)
        if _is_true(crd, "NamesAccepted"):
            establish(crd, now=self._now())
        if msgspec.json.encode(crd.status) != before:
            await self._write_status(crd)

    def _outline(self, entry: Entry) -> Outline:
        from fairlead.api.apiextensions.customresourcedefinition.outline import outline_of  # needs the kind's types

        found = self._outlines[entry.name] = outline_of(entry.raw)
        return found

    def _now(self) -> str:
        return render_time(self._clock.now())

    async def _write_status(self, crd: Outline) -> None:
        """Writes the new status; the names are computed again if the definition has changed meanwhile."""
        status, generation = crd.status, crd.metadata.generation

        async def change(entry: Entry) -> Candidate:
            current = entry.decode()
            if current.metadata.generation == generation and current.metadata.deletionTimestamp is None:
                stored = current.status.storedVersions
                current.status = msgspec.structs.replace(status, storedVersions=stored)
            return Candidate(current, final=True, admitted=True)

        await self._update(crd.metadata.name, change)

    async def _update(self, name: str, change: Callable[[Entry], Any]) -> None:
        target = Target(self._definitions, "", name, "status")
        try:
            await self._writers.updater.update(target, change, WriteOptions(), internal())
        except StatusError as e:
            if e.reason != "NotFound":
                raise

    # Kinds

    async def _serve(self, crd: Outline) -> None:
        """Serves the definition's kinds in their present form."""
        from fairlead.api.apiextensions.custom.kinds import custom_kinds

        name = crd.metadata.name
        terminating = crd.metadata.deletionTimestamp is not None
        form = (crd.metadata.uid, crd.metadata.generation, terminating, msgspec.json.encode(crd.status.acceptedNames))
        known = self._served.get(name)
        if known is not None and known.form == form:
            return
        kinds = custom_kinds(crd, self._reader(name), remote=self._webhook(crd), terminating=terminating)
        if known is not None and [_identity(k) for k in known.kinds] == [_identity(k) for k in kinds]:
            for kind, new in zip(known.kinds, kinds, strict=True):
                _renew_codec(kind, new)
                await self._scheme.renew(kind, new)
            known.form = form
            return
        with self._resources.exchanges.of(crd.spec.group, crd.spec.names.plural):
            await self._withdraw(name)
            served = self._served[name] = _Served(form)
            for kind in kinds:
                await self._scheme.add(kind)
                served.kinds.append(kind)

    def _webhook(self, crd: Outline) -> RemoteConversion | None:
        """Returns the conversion by the definition's webhook, if it has one."""
        conversion = crd.spec.conversion
        if conversion is None or conversion.webhook is None or conversion.strategy != "Webhook":
            return None
        from fairlead.apiserver.webhook.conversion import ConversionWebhook  # needed by few definitions

        stored = next(version.name for version in crd.spec.versions if version.storage)
        hook = conversion.webhook
        return ConversionWebhook(
            self._caller,
            self._ids,
            target_of(hook.clientConfig),
            tuple(hook.conversionReviewVersions),
            f"{crd.spec.group}/{stored}",
        )

    async def _withdraw(self, name: str) -> None:
        known = self._served.pop(name, None)
        for kind in reversed(known.kinds if known is not None else []):
            await self._scheme.remove(kind)

    def _reader(self, name: str) -> Callable[[str], dict[str, Any]]:
        """Returns the function that reads the schema of a version off the definition."""

        def read(version: str) -> dict[str, Any]:
            entry = self._definitions.cache.get(name)
            tree = msgspec.json.decode(entry.raw) if entry is not None else {"spec": {"versions": []}}
            for one in tree["spec"]["versions"]:
                if one["name"] == version:
                    return (one.get("schema") or {}).get("openAPIV3Schema") or {}
            return {}

        return read

    # Deletion

    async def _begin_emptying(self, crd: Outline) -> None:
        from fairlead.api.apiextensions.customresourcedefinition.kind import CLEANUP

        name = crd.metadata.name
        if CLEANUP not in crd.metadata.finalizers or name in self._emptying:
            return
        if _is_true(crd, "Established"):
            await self._serve(crd)
        self._emptying.add(name)
        self._nursery.spawn(self._empty(name))

    async def _empty(self, name: str) -> None:
        """Deletes all objects of a definition that is being deleted, then its finalizer."""
        try:
            await self._try(name, partial(self._empty_once, name))
        finally:
            self._emptying.discard(name)

    async def _empty_once(self, name: str) -> None:
        from fairlead.api.apiextensions.customresourcedefinition.kind import CLEANUP
        from fairlead.api.apiextensions.customresourcedefinition.naming import set_condition

        served = self._served.get(name)
        if served is not None and served.kinds:
            await self._report(name, "True", "InstanceDeletionInProgress", "CustomResource deletion is in progress")
            await self._delete_objects(self._resources.stored(served.kinds[0]))
            done = "InstanceDeletionCompleted", "removed all instances"
        else:
            done = "NeverEstablished", "resource was never established"

        async def finish(entry: Entry) -> Candidate:
            crd = entry.decode()
            set_condition(crd, "Terminating", "False", *done, now=self._now())
            crd.metadata.finalizers = [one for one in crd.metadata.finalizers if one != CLEANUP]
            return Candidate(crd, final=True, admitted=True)

        await self._update(name, finish)

    async def _report(self, name: str, status: str, reason: str, message: str) -> None:
        from fairlead.api.apiextensions.customresourcedefinition.naming import set_condition

        async def change(entry: Entry) -> Candidate:
            crd = entry.decode()
            set_condition(crd, "Terminating", status, reason, message, now=self._now())
            return Candidate(crd, final=True, admitted=True)

        await self._update(name, change)

    async def _delete_objects(self, resource: Resource) -> None:
        """Deletes all objects and waits until those with finalizers are gone too."""
        gone = asyncio.Event()
        resource.cache.listeners[gone] = lambda _: gone.set()
        try:
            everything = parse_filter(resource.kind, "", "", "", "")
            await self._writers.deleter.delete_all(resource, everything, DeleteOptions(), internal())
            while len(resource.cache):
                gone.clear()
                await gone.wait()
        finally:
            resource.cache.listeners.pop(gone, None)


class _Served:
    """The kinds of a definition, and the form of the definition that they follow from."""

    def __init__(self, form: tuple[Any, ...]) -> None:
        self.form = form
        self.kinds: list[Kind[Any]] = []


def _identity(kind: Kind[Any]) -> tuple[Any, ...]:
    return kind.group, kind.version, kind.plural, kind.kind, kind.namespaced, kind.remote is None


def _renew_codec(kind: Kind[Any], new: Kind[Any]) -> None:
    codec: Any = kind.own_codec
    codec.renew(new.own_codec)


def _is_true(crd: Outline, type: str) -> bool:
    return any(one.type == type and one.status == "True" for one in crd.status.conditions)
