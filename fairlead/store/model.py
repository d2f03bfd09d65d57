"""What a store is: the contract that every engine keeps and `tests/contract` checks.

One counter: every committed write takes the next revision. A write is acknowledged only when it is durable,
and subscribers see all committed changes in revision order, each before its writer's await returns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


class StoreError(Exception):
    """The closed family of store errors."""


class NotFound(StoreError):
    """The key does not exist."""


class Exists(StoreError):
    """The key exists, and the write asked to create it (`expected_revision=0`)."""


class Conflict(StoreError):
    """The key's revision is not the one expected."""


class Compacted(StoreError):
    """The revision asked for is older than the history kept."""


@dataclass(frozen=True, slots=True)
class Record:
    key: str
    value: bytes
    revision: int
    """Of the last write to this key."""


@dataclass(frozen=True, slots=True)
class Change:
    """One committed write. `value` is None for a delete, `previous` is None for a create."""

    key: str
    revision: int
    value: bytes | None
    previous: Record | None


Subscriber = Callable[[Sequence[Change]], None]
"""Called on the event loop's thread with one batch of changes in revision order; must not block or raise."""


class Store(Protocol):
    async def get(self, key: str) -> Record | None: ...

    async def list(self, prefix: str) -> tuple[Sequence[Record], int]:
        """Every record below the prefix in key order, and the store's revision they are true for."""
        ...

    async def write(self, key: str, value: bytes, *, expected_revision: int | None, history: bool = True) -> int:
        """Writes and returns the new revision. `expected_revision`: 0 creates (else Exists), None overwrites,
        N replaces revision N (else Conflict, or NotFound where the key is gone). With `history=False` the
        change need not be kept for later watches (node heartbeats)."""
        ...

    async def delete(self, key: str, *, expected_revision: int | None) -> int:
        """Deletes and returns the revision of the deletion. Raises NotFound, Conflict."""
        ...

    def subscribe(self, subscriber: Subscriber) -> None:
        """From now on, every change."""
        ...

    async def changes_since(self, revision: int) -> Sequence[Change]:
        """The changes after `revision`, oldest first. Raises Compacted. `previous` may be None throughout."""
        ...

    async def compact(self, revision: int) -> None:
        """Forgets the history up to and including the revision."""
        ...

    @property
    def revision(self) -> int:
        """The revision of the last committed write."""
        ...

    async def close(self) -> None: ...
