"""The contract of a store, kept by every engine and checked by `tests/contract/test_store.py`.

One counter: each committed transaction takes the next revision. A transaction is acknowledged only when it is durable.
A watch delivers every committed change exactly once and in revision order, but at any time: a caller that wrote
revision N and needs its effect waits until its watch has delivered N. The contract holds for engines in another
process too (etcd), so nothing here is synchronous except a watcher's calls.

The values are msgspec structs: one is made in a fifth of the time of a frozen dataclass, and a write makes six.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec


class StoreError(Exception):
    """The closed family of store errors."""


class Full(StoreError):
    """No room is left on the disk. Reads go on, and writes succeed again when there is room."""


class Damaged(StoreError):
    """The file, or an object in it, cannot be read."""


class InvalidWrite(StoreError):
    """The store takes no such transaction, e.g. because it is too large. Others may succeed."""


class RefusedWrite(StoreError):
    """A comparison failed. `revision` is one whose state shows why: wait for it before trying again."""

    def __init__(self, key: str, revision: int) -> None:
        super().__init__(key)
        self.revision = revision


class NotFound(RefusedWrite):
    """The key does not exist."""


class Exists(RefusedWrite):
    """The key exists, and the write asked to create it."""


class Conflict(RefusedWrite):
    """The key's revision is not the one expected."""


class Compacted(StoreError):
    """The revision asked for is older than the history kept."""


class Unavailable(StoreError):
    """The store cannot be reached; the outcome of a transaction under way is unknown."""


class Record(msgspec.Struct, frozen=True):
    key: str
    value: bytes
    revision: int
    """The revision of the last write to this key."""


class Change(msgspec.Struct, frozen=True):
    """One committed write. `value` is None for a deletion."""

    key: str
    revision: int
    value: bytes | None


class Page(msgspec.Struct, frozen=True):
    """Part of a listing."""

    records: Sequence[Record]
    revision: int
    """The revision whose state the page shows."""
    more: bool = False
    """More records follow the last one of this page."""


class Compare(msgspec.Struct, frozen=True):
    """A condition of a transaction: the key's revision; 0 if the key must not exist."""

    key: str
    revision: int


class Put(msgspec.Struct, frozen=True):
    key: str
    value: bytes
    history: bool = True
    """False if later watches need not see this change once a newer one exists (node heartbeats). A hint."""


class Delete(msgspec.Struct, frozen=True):
    key: str


Operation = Put | Delete


class TxnResult(msgspec.Struct, frozen=True):
    succeeded: bool
    revision: int
    """The revision of the transaction if it succeeded, otherwise of the store."""
    current: Sequence[Record | None] = ()
    """The present records of the compared keys if the transaction failed, in the order of the comparisons."""


class Watcher(Protocol):
    """Receives a watch's events on the event loop's thread; must neither block nor raise."""

    def on_changes(self, changes: Sequence[Change], revision: int) -> None:
        """Changes in revision order. Every change up to `revision` has now been delivered; without changes this is a
        progress notification."""
        ...

    def on_lost(self, error: StoreError) -> None:
        """The watch has ended. `Compacted` if changes were missed: list again and watch from there."""
        ...


class Watch(Protocol):
    def cancel(self) -> None:
        """Ends the watch; the watcher is not called again."""
        ...


class Store(Protocol):
    async def get(self, key: str) -> Record | None: ...

    async def list(self, prefix: str, *, revision: int = 0, limit: int = 0, after: str = "") -> Page:
        """Returns the records below the prefix in key order, at most `limit` (0: all), after the key `after`.

        `revision` selects a past state (0: the present one). Raises Compacted, Unavailable."""
        ...

    async def txn(self, compare: Sequence[Compare], operations: Sequence[Operation]) -> TxnResult:
        """Applies all operations in one revision if every comparison holds, otherwise none.

        No two operations may name one key; deleting a missing key changes nothing. Raises Unavailable."""
        ...

    async def watch(self, prefix: str, from_revision: int, watcher: Watcher) -> Watch:
        """Delivers the changes below the prefix after `from_revision`, past ones first.

        If the past is compacted, the watcher's `on_lost` is called with Compacted, possibly before this returns."""
        ...

    async def compact(self, revision: int) -> None:
        """Drops the history up to and including the revision; the present state stays."""
        ...

    async def close(self) -> None: ...
