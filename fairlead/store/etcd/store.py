"""The store that etcd keeps. Reads and writes are linearizable: each goes through the cluster's leader.

What must stay true: a transaction whose answer was lost is repeated as it is, because its comparisons let it take
place at most once. If the repetition fails its comparison, and the key holds just what the transaction would have
written, the first attempt took place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aetcd import rpc

from fairlead.base.tasks import Nursery
from fairlead.store.etcd.members import LEADER_REQUIRED, Certificates, Connection, Members, Target
from fairlead.store.etcd.watch import EtcdWatch, prefix_end
from fairlead.store.model import (
    Compare,
    Operation,
    Page,
    Put,
    Record,
    StoreError,
    TxnResult,
    Unavailable,
    Watch,
    Watcher,
)

_PAGE = 2_000
"""Records asked for in one call: a message of a few MB at the usual size of objects."""


class EtcdStore:
    """Make it with `open`, and close it in the task that opened it."""

    def __init__(
        self,
        targets: Sequence[Target],
        certificates: Certificates | None,
        *,
        timeout_s: float,
    ) -> None:
        self._members = Members(targets, certificates, timeout_s=timeout_s)
        self._nursery = Nursery()
        self._closed = False

    @classmethod
    async def open(
        cls,
        targets: Sequence[Target],
        certificates: Certificates | None = None,
        *,
        timeout_s: float = 10.0,
    ) -> EtcdStore:
        """Returns a store whose cluster answers. Raises Unavailable, StoreError."""
        store = cls(targets, certificates, timeout_s=timeout_s)
        await store._nursery.__aenter__()
        try:
            await store.get("/")
        except BaseException:
            await store.close()
            raise
        return store

    async def get(self, key: str) -> Record | None:
        response, _ = await self._call(
            lambda to, timeout: to.kv.Range(
                rpc.RangeRequest(key=key.encode()), timeout=timeout, metadata=LEADER_REQUIRED
            )
        )
        return _record(response.kvs[0]) if response.kvs else None

    async def txn(self, compare: Sequence[Compare], operations: Sequence[Operation]) -> TxnResult:
        request = rpc.TxnRequest(
            compare=[_compare(c) for c in compare],
            success=[_operation(op) for op in operations],
            failure=[rpc.RequestOp(request_range=rpc.RangeRequest(key=c.key.encode())) for c in compare],
        )
        response, repeated = await self._call(
            lambda to, timeout: to.kv.Txn(request, timeout=timeout, metadata=LEADER_REQUIRED)
        )
        if response.succeeded:
            return TxnResult(True, response.header.revision)
        reads = [r.response_range.kvs for r in response.responses]
        current = [_record(kvs[0]) if kvs else None for kvs in reads]
        if repeated:
            return after_repetition(compare, operations, TxnResult(False, response.header.revision, current))
        return TxnResult(False, response.header.revision, current)

    async def watch(self, prefix: str, from_revision: int, watcher: Watcher) -> Watch:
        self._check_open()
        watch = EtcdWatch(self._members, prefix, from_revision, watcher)
        watch.task = self._nursery.spawn(watch.follow(), name="etcd watch")
        return watch

    async def compact(self, revision: int) -> None:
        await self._call(lambda to, timeout: to.kv.Compact(rpc.CompactionRequest(revision=revision), timeout=timeout))

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            await self._nursery.__aexit__(None, None, None)
            await self._members.close()

    async def _call(self, call: Any) -> tuple[Any, bool]:
        self._check_open()
        return await self._members.call(call)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError("the store is closed")

    # Last, because inside the class body the name hides the builtin.
    async def list(self, prefix: str, *, revision: int = 0, limit: int = 0, after: str = "") -> Page:
        records: list[Record] = []
        start = after.encode() + b"\0" if after > prefix else prefix.encode()
        while True:
            part = min(_PAGE, limit - len(records)) if limit else _PAGE
            request = rpc.RangeRequest(key=start, range_end=prefix_end(prefix), limit=part, revision=revision)
            response = await self._range(request)
            # Further calls see the state of the first.
            revision = revision or response.header.revision
            records += [_record(kv) for kv in response.kvs]
            if not response.more or len(records) == limit > 0:
                return Page(records, revision, more=response.more)
            start = response.kvs[-1].key + b"\0"

    async def _range(self, request: Any) -> Any:
        def call(to: Connection, timeout: float) -> Any:
            return to.kv.Range(request, timeout=timeout, metadata=LEADER_REQUIRED)

        response, _ = await self._call(call)
        return response


def after_repetition(compare: Sequence[Compare], operations: Sequence[Operation], result: TxnResult) -> TxnResult:
    """Judges a failed comparison of a transaction whose earlier attempt had no answer. Raises Unavailable."""
    current = {c.key: record for c, record in zip(compare, result.current, strict=True)}
    revisions = set()
    for op in operations:
        record = current.get(op.key)
        if isinstance(op, Put):
            if record is None or record.value != op.value:
                return result
            revisions.add(record.revision)
        elif record is None:
            # Deleted: by the first attempt or by another client.
            raise Unavailable(f"etcd: the answer to the deletion of {op.key} was lost")
        else:
            return result
    return TxnResult(True, revisions.pop()) if len(revisions) == 1 else result


def _record(kv: Any) -> Record:
    return Record(kv.key.decode(), kv.value, kv.mod_revision)


def _compare(compare: Compare) -> Any:
    return rpc.Compare(
        key=compare.key.encode(), target=rpc.Compare.MOD, result=rpc.Compare.EQUAL, mod_revision=compare.revision
    )


def _operation(op: Operation) -> Any:
    key = op.key.encode()
    if isinstance(op, Put):
        return rpc.RequestOp(request_put=rpc.PutRequest(key=key, value=op.value))
    return rpc.RequestOp(request_delete_range=rpc.DeleteRangeRequest(key=key))
