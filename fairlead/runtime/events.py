"""Records core/v1 Events for people to read. Recording never raises and never waits.

A repeated occurrence raises the count of one Event. Of Events that differ only in the message, nine are written; from
the tenth within ten minutes on, one Event counts them all and has the latest message. One object may send 25 Events at
once and then one every five minutes. These are upstream's limits: no crash loop can fill the store.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict, deque
from typing import Literal

from fairlead.api.core.event.kind import EVENT, Event, EventSource
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.meta.types import Object, ObjectMeta
from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass
from fairlead.base.instant import render_time
from fairlead.base.log import SILENT, Log
from fairlead.machinery.values.status import StatusError
from fairlead.runtime.backoff import Backoff
from fairlead.runtime.client import Client

EventKind = Literal["Normal", "Warning"]

_BURST = 25.0
_REFILL_S = 300.0
_KNOWN = 4096
_DISTINCT = 9
_DISTINCT_S = 600.0
_COMBINED = "(combined from similar events): "
_PENDING = 2000
_AT_ONCE = 8


@dataclass(slots=True)
class _Occurrences:
    """An event's identity on the server, and the number of its occurrences so far."""

    name: str
    namespace: str
    count: int
    first: str


@dataclass(slots=True)
class _Similar:
    """The messages of Events that are otherwise equal, and the time of the last one."""

    messages: set[str]
    at: float


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


def reference_to(obj: Object, *, field_path: str = "") -> ObjectReference:
    """Returns a reference to the object, or to the part of it at `field_path`."""
    meta = obj.metadata
    return ObjectReference(
        kind=obj.kind,
        apiVersion=obj.apiVersion,
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resourceVersion=meta.resourceVersion,
        fieldPath=field_path,
    )


class Recorder:
    """Records Events from anywhere by `event(...)`; `run()` sends them. `component` and `host` name the source."""

    def __init__(self, client: Client, *, component: str, clock: Clock, host: str = "", log: Log = SILENT) -> None:
        self._client = client
        self._component = component
        self._host = host
        self._clock = clock
        self._log = log
        self._sent: OrderedDict[tuple[str, ...], _Occurrences] = OrderedDict()
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._similar: OrderedDict[tuple[str, ...], _Similar] = OrderedDict()
        self._pending: deque[tuple[tuple[str, ...], Event]] = deque(maxlen=_PENDING)
        self._wake = asyncio.Event()
        self._stamp = 0

    def event(
        self, about: Object | ObjectReference, type: EventKind, reason: str, message: str, *, component: str = ""
    ) -> None:
        """Records one occurrence about an object, or about the part of it that a reference names. `component`: the
        source, if it is another than that of the recorder."""
        ref = about if isinstance(about, ObjectReference) else reference_to(about)
        subject = f"{ref.kind} {ref.namespace}/{ref.name} {ref.uid}"
        if not self._allowed(subject):
            return
        kind = (component or self._component, subject, type, reason)
        is_combined = self._is_one_of_many(kind, message)
        event = self._build(ref, type, reason, f"{_COMBINED}{message}" if is_combined else message, component)
        self._pending.append((kind if is_combined else (*kind, ref.fieldPath, message), event))
        self._wake.set()

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                batch: dict[tuple[str, ...], list[Event]] = {}
                for _ in range(min(_AT_ONCE, len(self._pending))):
                    key, event = self._pending.popleft()
                    batch.setdefault(key, []).append(event)
                await asyncio.gather(*(self._send_all(key, events) for key, events in batch.items()))

    async def _send_all(self, key: tuple[str, ...], events: list[Event]) -> None:
        for event in events:
            await self._send(key, event)

    async def _send(self, key: tuple[str, ...], event: Event) -> None:
        backoff: Backoff | None = None
        for _ in range(5):
            try:
                await self._write(key, event)
                return
            except StatusError as error:
                if error.code != 409:
                    self._log.debug("event refused", reason=event.reason, error=error)
                    return
                # Another recorder has named an event of the same object at the same time.
                self._stamp += 1
                event.metadata.name = f"{event.involvedObject.name}.{self._stamp:x}"
            except ConnectionError:
                if backoff is None:
                    backoff = Backoff(base_s=0.2, cap_s=3.0, rng=random.Random(event.metadata.name))
                await asyncio.sleep(backoff.next())

    async def _write(self, key: tuple[str, ...], event: Event) -> None:
        sent = self._sent.get(key)
        if sent is not None:
            self._sent.move_to_end(key)
            patch = {"count": sent.count + 1, "lastTimestamp": event.lastTimestamp, "message": event.message}
            try:
                await self._client.patch(EVENT, sent.name, sent.namespace, patch=patch)
            except StatusError as error:
                if error.code != 404:
                    raise
                del self._sent[key]
            else:
                sent.count += 1
                return
        made = await self._client.create(EVENT, event)
        self._sent[key] = _Occurrences(made.metadata.name, made.metadata.namespace, 1, event.firstTimestamp or "")
        if len(self._sent) > _KNOWN:
            self._sent.popitem(last=False)

    def _build(self, ref: ObjectReference, type: EventKind, reason: str, message: str, component: str) -> Event:
        component = component or self._component
        now = self._clock.now()
        at = render_time(now)
        self._stamp = max(self._stamp + 1, int(now * 1_000_000_000))
        return Event(
            metadata=ObjectMeta(name=f"{ref.name}.{self._stamp:x}", namespace=ref.namespace or "default"),
            involvedObject=ref,
            reason=reason,
            message=message[:1024],
            type=type,
            source=EventSource(component=component, host=self._host),
            firstTimestamp=at,
            lastTimestamp=at,
            count=1,
            reportingComponent=component,
            reportingInstance=self._host,
        )

    def _is_one_of_many(self, kind: tuple[str, ...], message: str) -> bool:
        """Notes the message. Returns whether so many others were recorded lately that they share one Event."""
        now = self._clock.monotonic()
        similar = self._similar.pop(kind, None)
        if similar is None or now - similar.at > _DISTINCT_S:
            similar = _Similar(set(), now)
        self._similar[kind] = similar
        if len(self._similar) > _KNOWN:
            self._similar.popitem(last=False)
        similar.at = now
        if message in similar.messages:
            return False
        if len(similar.messages) == _DISTINCT:
            return True
        similar.messages.add(message)
        return False

    def _allowed(self, subject: str) -> bool:
        now = self._clock.monotonic()
        bucket = self._buckets.get(subject)
        if bucket is None:
            bucket = self._buckets[subject] = _Bucket(_BURST, now)
            if len(self._buckets) > _KNOWN:
                self._buckets.popitem(last=False)
        bucket.tokens = min(_BURST, bucket.tokens + (now - bucket.at) / _REFILL_S)
        bucket.at = now
        if bucket.tokens < 1.0:
            return False
        bucket.tokens -= 1.0
        return True
