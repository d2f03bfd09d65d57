"""The store that forgets: for tests and for clusters meant to be thrown away. Nothing outlives the process."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence

from fairlead.store.history import HISTORY_BYTES, HISTORY_LIMIT, HistoryWindow, decide_delete, decide_write
from fairlead.store.model import Change, Compacted, Record, Subscriber


class MemoryStore:
    def __init__(self, *, history_limit: int = HISTORY_LIMIT, history_bytes: int = HISTORY_BYTES) -> None:
        self._records: dict[str, Record] = {}
        self._keys: list[str] = []
        self._log: list[Change] = []
        self._revision = 0
        self._compacted = 0
        self._window = HistoryWindow(history_limit, history_bytes)
        self._subscribers: list[Subscriber] = []

    @property
    def revision(self) -> int:
        return self._revision

    @property
    def history_length(self) -> int:
        return len(self._log)

    @property
    def history_bytes(self) -> int:
        return self._window.bytes

    async def get(self, key: str) -> Record | None:
        return self._records.get(key)

    async def list(self, prefix: str) -> tuple[Sequence[Record], int]:
        found: list[Record] = []
        for key in self._keys[bisect_left(self._keys, prefix) :]:
            if not key.startswith(prefix):
                break
            found.append(self._records[key])
        return found, self._revision

    async def write(self, key: str, value: bytes, *, expected_revision: int | None, history: bool = True) -> int:
        previous = self._records.get(key)
        if error := decide_write(key, previous.revision if previous else 0, expected_revision):
            raise error
        if previous is None:
            insort(self._keys, key)
        self._revision += 1
        self._records[key] = Record(key, value, self._revision)
        self._committed(Change(key, self._revision, value, previous), history=history)
        return self._revision

    async def delete(self, key: str, *, expected_revision: int | None) -> int:
        previous = self._records.get(key)
        if error := decide_delete(key, previous.revision if previous else 0, expected_revision):
            raise error
        del self._records[key]
        del self._keys[bisect_left(self._keys, key)]
        self._revision += 1
        self._committed(Change(key, self._revision, None, previous), history=True)
        return self._revision

    def subscribe(self, subscriber: Subscriber) -> None:
        self._subscribers.append(subscriber)

    async def changes_since(self, revision: int) -> Sequence[Change]:
        if revision < self._compacted:
            raise Compacted(f"{revision} < {self._compacted}")
        return [change for change in self._log if change.revision > revision]

    async def compact(self, revision: int) -> None:
        self._forget(min(revision, self._revision))

    async def close(self) -> None:
        self._subscribers.clear()

    def _committed(self, change: Change, *, history: bool) -> None:
        if history:
            self._log.append(change)
            self._window.add(change.revision, change.key, change.value)
            self._forget(self._window.excess())
        for subscriber in self._subscribers:
            subscriber((change,))

    def _forget(self, revision: int) -> None:
        if revision > self._compacted:
            self._compacted = revision
            self._window.cut(revision)
            self._log = [change for change in self._log if change.revision > revision]
