"""The embedded store: SQLite, one writer thread, group commit, durable before acknowledged.

What must stay true: one thread owns the connection; whatever is queued when it looks goes into one
transaction (`synchronous=FULL`, so one fsync a batch and not one a write); results go back to the event loop
with one `call_soon_threadsafe` a batch, where watches are served before any writer's future resolves.
Reads go through the same queue and so see every write queued before them; so does the start of a watch, which
therefore misses no change and sees none twice.

Rejected: one transaction a write (a fifth of the throughput), apsw (a dependency for 30 %), a second
connection for reads (the API server reads its own cache, the store only at start).
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from fairlead.base.dataclass import dataclass
from fairlead.store.engine import Committed, Engine
from fairlead.store.history import HISTORY_BYTES, HISTORY_LIMIT, HistoryWindow
from fairlead.store.model import (
    Change,
    Compacted,
    Compare,
    Damaged,
    Full,
    Operation,
    Page,
    Put,
    Record,
    StoreError,
    TxnResult,
    Watch,
    Watcher,
)
from fairlead.store.watches import OpenWatch, Watches

_MAX_BATCH = 512
_MAX_BATCH_BYTES = 4 << 20
"""A transaction stands twice on the disk until its checkpoint: many large objects at once are several transactions."""
_IDLE_S = 1.0
"""Seconds without a request after which the files are made smaller."""


@dataclass(slots=True)
class _Job:
    """One thing for the writer thread to do."""

    run: Callable[[], Any]
    future: asyncio.Future[Any]
    size: int


@dataclass(frozen=True, slots=True)
class _Begun:
    """A watch and the changes it starts with, or why it cannot start."""

    watch: OpenWatch
    past: Sequence[Change]
    revision: int
    error: Compacted | None = None

    def begin(self) -> None:
        if self.error is not None:
            self.watch.lose(self.error)
        else:
            self.watch.begin(self.past, self.revision)


@dataclass(slots=True)
class _Batch:
    jobs: list[_Job]
    last: bool
    """The store was closed behind these."""


class SqliteStore:
    """Open with `SqliteStore.open(path)`; use from one event loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._watches = Watches()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed: asyncio.Future[None] | None = None
        self._thread = threading.Thread(target=self._work, name="store", daemon=True)
        self._thread.start()

    @classmethod
    def open(
        cls, path: Path | str, *, history_limit: int = HISTORY_LIMIT, history_bytes: int = HISTORY_BYTES
    ) -> SqliteStore:
        """Opens or makes the database file. Raises StoreError if it cannot be used."""
        try:
            return cls(Engine(path, history_limit=history_limit, history_bytes=history_bytes))
        except sqlite3.Error as e:
            raise explain(e, path) from e

    @property
    def history(self) -> HistoryWindow:
        return self._engine.window

    async def get(self, key: str) -> Record | None:
        record: Record | None = await self._submit(lambda: self._engine.read(key))
        return record

    async def txn(self, compare: Sequence[Compare], operations: Sequence[Operation]) -> TxnResult:
        size = 0
        for op in operations:
            size += len(op.value) if isinstance(op, Put) else 0
        committed: Committed = await self._submit(lambda: self._engine.txn(compare, operations), size)
        return committed.result

    async def watch(self, prefix: str, from_revision: int, watcher: Watcher) -> Watch:
        watch = self._watches.open(prefix, watcher)
        await self._submit(lambda: self._begin(watch, from_revision))
        return watch

    def _begin(self, watch: OpenWatch, from_revision: int) -> _Begun:
        """Reads the past of a watch; runs on the writer thread."""
        try:
            return _Begun(watch, self._engine.since(from_revision), self._engine.revision)
        except Compacted as e:
            return _Begun(watch, (), self._engine.revision, e)

    async def compact(self, revision: int) -> None:
        await self._submit(lambda: self._engine.compact(revision))

    async def close(self) -> None:
        """Commits what is queued, then closes the file."""
        if self._closed is None:
            self._loop = asyncio.get_running_loop()
            self._closed = self._loop.create_future()
            self._queue.put(None)
        await asyncio.shield(self._closed)
        self._thread.join()

    def _submit(self, run: Callable[[], Any], size: int = 0) -> asyncio.Future[Any]:
        if self._closed is not None:
            raise StoreError("the store is closed")
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._queue.put(_Job(run, future, size))
        return future

    def _announce(self, jobs: list[_Job], results: list[Any]) -> None:
        """Serves the watches, then the writers; runs on the event loop."""
        changes: list[Change] = []
        revision = 0
        for result in results:
            if type(result) is Committed and result.changes:
                changes += result.changes
                revision = result.result.revision
            elif type(result) is _Begun:
                # Changes of this batch before it are part of its past, those after it are not.
                self._deliver(changes, revision)
                changes = []
                result.begin()
        self._deliver(changes, revision)
        for job, result in zip(jobs, results, strict=True):
            if job.future.done():
                continue
            if isinstance(result, StoreError):
                job.future.set_exception(result)
            else:
                job.future.set_result(result)

    def _deliver(self, changes: Sequence[Change], revision: int) -> None:
        if changes:
            self._watches.deliver(changes, revision)

    def _work(self) -> None:
        """The writer thread."""
        last = False
        while not last:
            batch = self._take()
            last = batch.last
            if batch.jobs:
                self._hand_back(self._announce, batch.jobs, self._commit(batch.jobs))
        self._engine.close()
        if self._closed is not None:
            self._hand_back(self._closed.set_result, None)

    def _take(self) -> _Batch:
        """Waits for a job, then takes whatever else is queued."""
        job = self._first()
        jobs: list[_Job] = []
        size = 0
        while job is not None:
            jobs.append(job)
            size += job.size
            if len(jobs) == _MAX_BATCH or size >= _MAX_BATCH_BYTES or self._queue.empty():
                return _Batch(jobs, last=False)
            job = self._queue.get()
        return _Batch(jobs, last=True)

    def _first(self) -> _Job | None:
        """Waits for a job; makes the files smaller if none comes for a while."""
        if self._engine.untidy:
            try:
                return self._queue.get(timeout=_IDLE_S)
            except queue.Empty:
                self._engine.tidy()
        return self._queue.get()

    def _commit(self, jobs: list[_Job]) -> list[Any]:
        """One transaction; the result of each job, or the error that it or the whole batch met."""
        try:
            self._engine.begin()
            results = [_attempt(job) for job in jobs]
            self._engine.commit()
        except sqlite3.Error as e:
            self._engine.rollback()
            return [explain(e, self._engine.path) for _ in jobs]
        return results

    def _hand_back(self, call: Callable[..., object], *args: object) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(call, *args)

    # Last, because inside the class body the name hides the builtin.
    async def list(self, prefix: str, *, revision: int = 0, limit: int = 0, after: str = "") -> Page:
        page: Page = await self._submit(lambda: self._engine.list(prefix, revision=revision, limit=limit, after=after))
        return page


def explain(error: sqlite3.Error, path: Path | str) -> StoreError:
    """Returns the store's error with the file in it, and the cure if there is a simple one."""
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:  # the primary code, without the extension
        case sqlite3.SQLITE_FULL:
            return Full(f"the store cannot be written: no room is left on the disk of {path}: free some")
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return Damaged(f"{path} is damaged ({error})")
        case _:
            return StoreError(f"{path}: {error}")


def _attempt(job: _Job) -> Any:
    try:
        return job.run()
    except StoreError as e:
        return e
