"""Single-key writes as transactions, and what a failed comparison means."""

from __future__ import annotations

from fairlead.store.model import Compare, Conflict, Delete, Exists, NotFound, Put, Store, StoreError, TxnResult


async def create(store: Store, key: str, value: bytes) -> int:
    """Writes a new key and returns its revision. Raises Exists."""
    result = await store.txn([Compare(key, 0)], [Put(key, value)])
    if not result.succeeded:
        raise Exists(key, _seen_at(result))
    return result.revision


async def replace(store: Store, key: str, value: bytes, *, revision: int, history: bool = True) -> int:
    """Replaces the value written at `revision` and returns the new revision. Raises Conflict, NotFound."""
    result = await store.txn([Compare(key, revision)], [Put(key, value, history)])
    if not result.succeeded:
        raise _mismatch(key, result)
    return result.revision


async def delete(store: Store, key: str, *, revision: int) -> int:
    """Deletes the value written at `revision` and returns the revision of the deletion. Raises Conflict, NotFound."""
    result = await store.txn([Compare(key, revision)], [Delete(key)])
    if not result.succeeded:
        raise _mismatch(key, result)
    return result.revision


def _mismatch(key: str, result: TxnResult) -> StoreError:
    error = Conflict if any(result.current) else NotFound
    return error(key, _seen_at(result))


def _seen_at(result: TxnResult) -> int:
    """The revision at which the compared keys got their present state; the store's for a missing key."""
    revisions = [record.revision for record in result.current if record is not None]
    return max(revisions) if revisions else result.revision
