"""Remembers if a store could be written last, for the API server's readiness."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.store.model import Compare, InvalidWrite, Operation, Store, StoreError, TxnResult


class WriteHealth:
    """A store that remembers the outcome of its last write. Reads go to the store directly."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.get, self.list, self.watch = store.get, store.list, store.watch
        self.compact, self.close = store.compact, store.close
        self.writable = True
        """False if the last write failed, e.g. because the disk is full. A refused comparison writes nothing."""

    async def txn(self, compare: Sequence[Compare], operations: Sequence[Operation]) -> TxnResult:
        """Applies the operations as the store does. Raises StoreError."""
        try:
            result = await self._store.txn(compare, operations)
        except InvalidWrite:
            raise
        except StoreError:
            self.writable = False
            raise
        self.writable = self.writable or result.succeeded
        return result
