"""Carries out plans; the only place in which controllers write.

Creates and deletes run in growing batches (1, 2, 4, ...): if the server refuses one write, a thousand like it are not
sent. Every answer is put into the informers, so the next reconcile sees our own writes. A refused write does not stop
the writes that do not depend on it; the first error is raised at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from fairlead.api.meta.types import Object
from fairlead.base.clock import Clock
from fairlead.base.keys import key_of
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.status import StatusError, is_namespace_terminating
from fairlead.runtime.client import Client
from fairlead.runtime.events import Recorder
from fairlead.runtime.informer import InformerSet
from fairlead.runtime.plan import Create, Delete, EventRecord, Patch, Plan, Update

W = TypeVar("W")

_MAX_BATCH = 64


class Applier:
    """Applies plans through one client. Writes go into `informers`, event records into `recorder`."""

    def __init__(self, client: Client, *, informers: InformerSet, recorder: Recorder, clock: Clock) -> None:
        self._client = client
        self._informers = informers
        self._recorder = recorder
        self._clock = clock

    async def apply(self, plan: Plan) -> None:
        """Writes all that can be written, then raises the first StatusError or ConnectionError that occurred."""
        errors: list[StatusError | ConnectionError] = []
        refused: list[Create] = []
        await self._batches(plan.create, partial(self._create, refused), errors)
        await self._batches(plan.update, self._update, errors)
        await self._batches(plan.delete, self._delete, errors)
        await self._batches(plan.patch, self._patch, errors)
        for call in plan.call:
            await self._guard(self._client.raw(call.method, call.path, body=call.body), errors)
        await self._batches((*plan.status, *(plan.status_if_refused if refused else ())), self._update, errors)
        for record in plan.events:
            self._record(record)
        if errors:
            raise errors[0]

    async def _batches(
        self, writes: Sequence[W], write: Callable[[W], Awaitable[None]], errors: list[StatusError | ConnectionError]
    ) -> None:
        at, size = 0, 1
        while at < len(writes):
            batch = writes[at : at + size]
            before = len(errors)
            if len(batch) == 1:
                await self._guard(write(batch[0]), errors)
            else:
                await asyncio.gather(*(self._guard(write(item), errors) for item in batch))
            if len(errors) > before:
                return
            at += size
            size = min(size * 2, _MAX_BATCH)

    async def _guard(self, work: Awaitable[Any], errors: list[StatusError | ConnectionError]) -> None:
        try:
            await work
        except (StatusError, ConnectionError) as error:
            errors.append(error)

    async def _create(self, refused: list[Create], write: Create) -> None:
        try:
            made = await self._client.create(write.kind, write.obj)
        except StatusError as error:
            if is_namespace_terminating(error):
                refused.append(write)  # The owner of the object is deleted too: neither an event nor a retry helps.
                return
            self._failed(write.failed, error)
            raise
        self._wrote(write.kind, made)
        self._record(write.done, name=made.metadata.name)

    async def _update(self, write: Update) -> None:
        try:
            made = await self._client.update(write.kind, write.obj, subresource=write.subresource)
        except StatusError as error:
            self._failed(write.failed, error)
            raise
        if not write.subresource or write.subresource == "status":
            self._wrote(write.kind, made)
        self._record(write.done, name=made.metadata.name)

    async def _patch(self, write: Patch) -> None:
        made = await self._client.patch(
            write.kind, write.name, write.namespace, patch=write.patch, subresource=write.subresource
        )
        self._wrote(write.kind, made)

    async def _delete(self, write: Delete) -> None:
        meta = write.obj.metadata
        try:
            await self._client.delete(
                write.kind,
                meta.name,
                meta.namespace,
                uid=meta.uid,
                grace_period_seconds=write.grace_period_seconds,
                propagation=write.propagation,
            )
        except StatusError as error:
            if error.code == 404:
                return
            self._failed(write.failed, error)
            raise
        informer = self._informers.cached(write.kind)
        if informer is not None:
            informer.deleted(key_of(meta), meta.uid, self._clock.now())
        self._record(write.done, name=meta.name)

    def _wrote(self, kind: Kind[Any], obj: Object) -> None:
        informer = self._informers.cached(kind)
        if informer is not None:
            informer.wrote(obj)

    def _failed(self, record: EventRecord | None, error: StatusError) -> None:
        # A conflict, or an object deleted meanwhile, is resolved by the next reconcile: users need no event.
        if record is not None and error.code not in (404, 409):
            self._send(record, record.message.replace("{error}", error.message))

    def _record(self, record: EventRecord | None, *, name: str = "") -> None:
        if record is not None:
            self._send(record, record.message.replace("{name}", name))

    def _send(self, record: EventRecord, message: str) -> None:
        self._recorder.event(record.about, record.type, record.reason, message, component=record.component)
