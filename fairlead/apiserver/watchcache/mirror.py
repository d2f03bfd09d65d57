"""The cache of a version whose objects a server elsewhere converts (`Kind.remote`).

The objects of all versions are in one `SourceCache`, each in the version in which it was stored. A `Mirror` has them in
one version: it follows the source and converts what has changed when it is asked to be `ready`, before each request,
and by itself while it is watched.

What must stay true: events reach a mirror's listeners in the order of their revisions, so the first object that cannot
be converted stops it. Requests about other objects are still answered; those about this object, and lists, get the
error.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from fairlead.api.meta.unstructured import UnstructuredCodec, object_schema
from fairlead.apiserver.watchcache.cache import EncodedForm, Entry, Event, KindCache
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.status import StatusError
from fairlead.store.model import Change, Record

BATCH = 500
"""Greatest number of objects of one question."""
_MOST_WAITING = 2000
"""Number of changes after which a mirror without readers is given up until its next use."""
_RETRY_S = 1.0
_META = b'"metadata":{'


class SourceForm(EncodedForm):
    """Encodes objects of any version of a kind."""

    __slots__ = ()

    def __init__(self, kind: Kind[Any]) -> None:
        super().__init__(kind)
        self.decode = UnstructuredCodec(object_schema(kind.kind, ())).decode

    def stored(self, obj: Any) -> bytes:
        obj.metadata.resourceVersion = ""
        return self.encode(obj)

    def problem(self, value: object) -> str:
        if not isinstance(value, bytes) or _META not in value:
            return f"not a {self.kind.kind} as JSON"
        try:
            self.decode(value)
        except (msgspec.MsgspecError, ValueError) as e:
            return str(e)
        return ""

    def splice(self, value: bytes, revision: int) -> bytes:
        at = value.index(_META) + len(_META)
        return b'%b"resourceVersion":"%d",%b' % (value[:at], revision, value[at:])

    def respliced(self, raw: bytes, revision: int) -> bytes:
        at = raw.index(_META) + len(_META)
        rest = raw[raw.index(b'",', at) + 2 :]
        return b'%b"resourceVersion":"%d",%b' % (raw[:at], revision, rest)


class SourceCache(KindCache):
    """All objects of a kind, each in the version in which it is stored."""

    def __init__(self, kind: Kind[Any]) -> None:
        super().__init__(kind)
        self.form = SourceForm(kind)


class _Waiting(NamedTuple):
    """A change that is not converted yet."""

    key: str
    revision: int
    raw: bytes | None
    """The object in its stored version; None if it was deleted."""


class Mirror(KindCache):
    """The objects of a source in one version."""

    def __init__(self, kind: Kind[Any], source: KindCache) -> None:
        super().__init__(kind)
        self._source = source
        self._waiting: deque[_Waiting] = deque()
        self._refused: dict[str, _Waiting] = {}
        """Objects that could not be converted when the mirror was filled."""
        self._filled = False
        self._following = False
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        source.listeners[self] = self._on_event

    def __len__(self) -> int:
        return len(self._source)

    def detach(self) -> None:
        """Stops following the source."""
        self._source.listeners.pop(self, None)
        if self._task is not None:
            self._task.cancel()

    def forget(self) -> None:
        """Converts everything again at the next use: the schema or the webhook is another one."""
        self._filled = self._following = False
        self._waiting.clear()

    def load(self, prefix: str, records: Sequence[Record], revision: int) -> None:
        """Does nothing: the source is loaded instead."""

    def reached(self, revision: int) -> int:
        return min(revision, self._waiting[0].revision - 1) if self._waiting else revision

    async def ready(self, key: str = "") -> None:
        """Brings the object with the key up to the source, or all objects. Raises StatusError."""
        if self._filled and not self._waiting and not self._refused:
            return
        async with self._lock:
            try:
                await self._catch_up()
            except StatusError:
                behind = {one.key for one in self._waiting} | self._refused.keys()
                if not self._filled or not key or key in behind:
                    raise

    async def stored(self, value: bytes) -> bytes:
        """Returns an object of this version in the version in which it is stored. Raises StatusError."""
        remote = self.kind.remote
        if remote is None or remote.stored_version == self.kind.api_version:
            return value
        (found,) = await remote.convert([value], remote.stored_version)
        return found

    def _on_event(self, event: Event) -> None:
        if not self._following:
            return
        raw = None if event.type == "DELETED" else event.entry.raw
        self._waiting.append(_Waiting(event.entry.key, event.revision, raw))
        if self.listeners:
            if self._task is None:
                self._task = asyncio.get_running_loop().create_task(self._pump())
        elif len(self._waiting) > _MOST_WAITING:
            self.forget()

    async def _pump(self) -> None:
        """Converts changes while there are some."""
        try:
            while self._waiting:
                try:
                    await self.ready()
                except StatusError:
                    await asyncio.sleep(_RETRY_S)
        finally:
            self._task = None

    async def _catch_up(self) -> None:
        if not self._filled:
            await self._fill()
        elif self._refused:
            await self._retry()
        while self._waiting:
            batch = [self._waiting[at] for at in range(min(BATCH, len(self._waiting)))]
            values = await self._values(batch)
            for one, value in zip(batch, values, strict=True):
                if not self._waiting or self._waiting[0] is not one:
                    return  # the mirror was emptied meanwhile
                self._waiting.popleft()
                self._refused.pop(one.key, None)
                if value is not None or one.key in self._entries:
                    self.apply(one.key, Change(one.key, one.revision, value))

    async def _fill(self) -> None:
        """Takes over all objects of the source."""
        self._waiting.clear()
        self._following = True
        revision = self._source.last_revision
        found = [_Waiting(entry.key, entry.revision, entry.raw) for entry in self._source.select()]
        records: list[Record] = []
        refused: dict[str, _Waiting] = {}
        try:
            for at in range(0, len(found), BATCH):
                batch = found[at : at + BATCH]
                values = await self._values_or_none(batch, refused)
                records += [Record(one.key, v, one.revision) for one, v in zip(batch, values, strict=True) if v]
        except BaseException:
            self._following = False
            raise
        self._entries.clear()
        self._ring.clear()
        self._ring_bytes = 0
        super().load("", records, revision)
        self._filled, self._refused = self._following, refused

    async def _values_or_none(self, batch: list[_Waiting], refused: dict[str, _Waiting]) -> list[bytes | None]:
        """Converts a batch; if that fails, each object by itself. Raises StatusError if all of them fail."""
        try:
            return await self._values(batch)
        except StatusError as e:
            if len(batch) == 1:
                raise
            values: list[bytes | None] = []
            for one in batch:
                try:
                    values += await self._values([one])
                except StatusError:
                    if not values and one is batch[-1]:
                        raise e from None
                    refused[one.key] = one
                    values.append(None)
            if not any(values):
                raise
            return values

    async def _retry(self) -> None:
        """Converts the objects that could not be converted before. Raises StatusError."""
        for one in list(self._refused.values()):
            (value,) = await self._values([one])
            if self._refused.pop(one.key, None) is one and value is not None:
                self._entries[one.key] = Entry(self.form, one.key, self.form.splice(value, one.revision), one.revision)
                self._unsorted.append(one.key)

    async def _values(self, batch: Sequence[_Waiting]) -> list[bytes | None]:
        """Returns the objects in this version as they would be stored. Raises StatusError."""
        own, remote = self.kind.api_version, self.kind.remote
        versions: dict[str, list[int]] = {}
        raws = [one.raw for one in batch]
        for at, raw in enumerate(raws):
            if raw is not None and (version := _version(raw)) != own:
                versions.setdefault(version, []).append(at)
        for places in versions.values():
            assert remote is not None
            given = [raw for at in places if (raw := raws[at]) is not None]
            for at, converted in zip(places, await remote.convert(given, own), strict=True):
                raws[at] = converted
        return [None if raw is None else self._own(raw) for raw in raws]

    def _own(self, raw: bytes) -> bytes:
        """Returns an object pruned and with defaults, without its resourceVersion."""
        refresh = getattr(self.kind.own_codec, "refreshed", None)
        obj = self.form.decode(refresh(raw) if refresh is not None else raw)
        return self.form.stored(obj)


class _Versioned(msgspec.Struct):
    apiVersion: str = ""


_versioned = msgspec.json.Decoder(_Versioned).decode


def _version(raw: bytes) -> str:
    return _versioned(raw).apiVersion
