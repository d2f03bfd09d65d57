"""What the engines do alike: deciding a write, and how much history is kept.

`decide` is the whole rule of `expected_revision`; both engines ask it, so they cannot disagree. `HistoryWindow` is the
whole rule of what is cut.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from fairlead.store.model import Conflict, Exists, NotFound, StoreError

HISTORY_LIMIT = 10_000
"""Changes kept for `changes_since`; a tenth more may pile up before they are cut in one go."""
HISTORY_BYTES = 8 << 20
"""Bytes of keys and values kept for the same purpose: large objects must not fill the disk."""


class HistoryWindow:
    """The revisions and sizes of the changes kept, oldest first, within both bounds.

    The newest change stays even if it is larger than the bound.
    """

    def __init__(self, limit: int, limit_bytes: int, entries: Iterable[tuple[int, int]] = ()) -> None:
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._entries = deque(entries)
        self.bytes = sum(size for _, size in self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, revision: int, key: str, value: bytes | None) -> None:
        """Counts a change that was just written."""
        size = len(key) + len(value or b"")
        self._entries.append((revision, size))
        self.bytes += size

    def excess(self) -> int:
        """Returns the newest revision to cut, or 0 while both bounds hold."""
        if len(self) <= self._limit * 11 // 10 and self.bytes <= self._limit_bytes * 11 // 10:
            return 0
        length, size, cut = len(self), self.bytes, 0
        for revision, part in self._entries:
            if length == 1 or (length <= self._limit and size <= self._limit_bytes):
                break
            length, size, cut = length - 1, size - part, revision
        return cut

    def cut(self, revision: int) -> None:
        """Drops the changes up to and including the revision."""
        while self._entries and self._entries[0][0] <= revision:
            self.bytes -= self._entries.popleft()[1]


def decide_write(key: str, current: int, expected: int | None) -> StoreError | None:
    """Why a write must not happen, if so. `current` is the key's revision, 0 where it does not exist."""
    if expected is None or expected == current:
        return None
    if expected == 0:
        return Exists(key)
    return Conflict(key) if current else NotFound(key)


def decide_delete(key: str, current: int, expected: int | None) -> StoreError | None:
    """Why a delete must not happen, if so."""
    if not current:
        return NotFound(key)
    return None if expected in (None, current) else Conflict(key)
