"""The store without persistence: for tests and for clusters that are thrown away. Nothing outlives the process."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from operator import attrgetter

from fairlead.store.history import HISTORY_BYTES, HISTORY_LIMIT, HistoryWindow, check_kept, effective, mismatch
from fairlead.store.model import (
    Change,
    Compacted,
    Compare,
    Operation,
    Page,
    Put,
    Record,
    StoreError,
    TxnResult,
    Watch,
    Watcher,
)
from fairlead.store.watches import Watches

_REVISION = attrgetter("revision")


class MemoryStore:
    """Use from one event loop."""

    def __init__(self, *, history_limit: int = HISTORY_LIMIT, history_bytes: int = HISTORY_BYTES) -> None:
        self._records: dict[str, Record] = {}
        self._keys: list[str] = []
        """Every key that has a version, in order."""
        self._versions: dict[str, list[Change]] = {}
        self._log: list[Change] = []
        """Every version after the compacted revision, in revision order."""
        self._transient: set[str] = set()
        """Keys whose newest version need not be kept once it is superseded."""
        self._revision = 0
        self._compacted = 0
        self._window = HistoryWindow(history_limit, history_bytes)
        self._watches = Watches()
        self._closed = False

    @property
    def history(self) -> HistoryWindow:
        return self._window

    async def get(self, key: str) -> Record | None:
        self._check_open()
        return self._records.get(key)

    async def txn(self, compare: Sequence[Compare], operations: Sequence[Operation]) -> TxnResult:
        self._check_open()
        if (current := mismatch(compare, self._records.get)) is not None:
            return TxnResult(False, self._revision, current)
        changing = effective(operations, self._records.__contains__)
        if changing:
            self._revision += 1
            changes = [self._apply(op) for op in changing]
            self._compact(self._window.excess())
            self._watches.deliver(changes, self._revision)
        return TxnResult(True, self._revision)

    def _apply(self, op: Operation) -> Change:
        change = Change(op.key, self._revision, op.value if isinstance(op, Put) else None)
        versions = self._versions.get(op.key)
        if versions is None:
            versions = self._versions[op.key] = []
            insort(self._keys, op.key)
        self._supersede(op.key, versions)
        versions.append(change)
        self._log.append(change)
        if isinstance(op, Put):
            self._records[op.key] = Record(op.key, op.value, self._revision)
            if not op.history:
                self._transient.add(op.key)
        else:
            del self._records[op.key]
        return change

    def _supersede(self, key: str, versions: list[Change]) -> None:
        if not versions:
            return
        if key in self._transient:
            self._transient.discard(key)
            self._log.remove(versions.pop())
        elif (value := versions[-1].value) is not None:
            self._window.add(self._revision, len(key) + len(value))

    async def watch(self, prefix: str, from_revision: int, watcher: Watcher) -> Watch:
        self._check_open()
        watch = self._watches.open(prefix, watcher)
        try:
            check_kept(from_revision, self._compacted)
        except Compacted as e:
            watch.lose(e)
        else:
            watch.begin(self._log[bisect_right(self._log, from_revision, key=_REVISION) :], self._revision)
        return watch

    async def compact(self, revision: int) -> None:
        self._check_open()
        self._compact(min(revision, self._revision))

    def _compact(self, revision: int) -> None:
        if revision <= self._compacted:
            return
        end = bisect_right(self._log, revision, key=_REVISION)
        for key in {change.key for change in self._log[:end]}:
            versions = self._versions[key]
            keep = bisect_right(versions, revision, key=_REVISION) - 1
            if versions[keep].value is None:
                keep += 1
            del versions[:keep]
            if not versions:
                del self._versions[key]
                del self._keys[bisect_left(self._keys, key)]
        del self._log[:end]
        self._window.cut(revision)
        self._compacted = revision

    async def close(self) -> None:
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")

    # Last, because inside the class body the name hides the builtin.
    async def list(self, prefix: str, *, revision: int = 0, limit: int = 0, after: str = "") -> Page:
        self._check_open()
        at = revision or self._revision
        check_kept(at, self._compacted)
        records: list[Record] = []
        start = bisect_right(self._keys, after) if after > prefix else bisect_left(self._keys, prefix)
        for key in self._keys[start:]:
            if not key.startswith(prefix):
                break
            versions = self._versions[key]
            count = bisect_right(versions, at, key=_REVISION)
            value = versions[count - 1].value if count else None
            if value is None:
                continue
            if len(records) == limit > 0:
                return Page(records, at, more=True)
            records.append(Record(key, value, versions[count - 1].revision))
        return Page(records, at)
