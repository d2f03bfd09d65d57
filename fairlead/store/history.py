"""Code shared by the engines: checks the comparisons of a transaction, and decides how much history is kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from fairlead.store.model import Compacted, Compare, Operation, Put, Record

HISTORY_LIMIT = 10_000
"""Superseded versions kept for watches and listings of the past; a tenth more may pile up before they are cut."""
HISTORY_BYTES = 8 << 20
"""Bytes of superseded keys and values kept: large objects must not fill the disk."""


class HistoryWindow:
    """The superseded versions by the revision that superseded each, with their sizes, oldest first.

    The newest one stays even if it is larger than the bound.
    """

    def __init__(self, limit: int, limit_bytes: int, entries: Iterable[tuple[int, int]] = ()) -> None:
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._entries = deque(entries)
        self.bytes = sum(size for _, size in self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, revision: int, size: int) -> None:
        """Counts a version of `size` bytes that `revision` superseded."""
        self._entries.append((revision, size))
        self.bytes += size

    def excess(self) -> int:
        """Returns the newest revision to compact, or 0 while both bounds hold."""
        if len(self._entries) <= self._limit * 11 // 10 and self.bytes <= self._limit_bytes * 11 // 10:
            return 0
        length, size, cut = len(self), self.bytes, 0
        for revision, part in self._entries:
            if length == 1 or (length <= self._limit and size <= self._limit_bytes):
                break
            length, size, cut = length - 1, size - part, revision
        return cut

    def cut(self, revision: int) -> None:
        """Drops the versions superseded up to and including the revision."""
        while self._entries and self._entries[0][0] <= revision:
            self.bytes -= self._entries.popleft()[1]


def mismatch(compare: Sequence[Compare], read: Callable[[str], Record | None]) -> list[Record | None] | None:
    """Returns the present records of the compared keys if a comparison fails, otherwise None."""
    for c in compare:
        record = read(c.key)
        if (record.revision if record is not None else 0) != c.revision:
            return [read(other.key) for other in compare]
    return None


def effective(operations: Sequence[Operation], exists: Callable[[str], object]) -> list[Operation]:
    """Returns the operations that change something: a deletion of a missing key does not."""
    return [op for op in operations if isinstance(op, Put) or exists(op.key)]


def check_kept(revision: int, compacted: int) -> None:
    """Raises Compacted if the revision is older than the history."""
    if revision < compacted:
        raise Compacted(f"revision {revision} is compacted, the oldest kept is {compacted}")
