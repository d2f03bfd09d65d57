"""A watch over etcd that outlives its stream: after a broken stream it goes on at the next member, where it stood."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from aetcd import rpc
from grpc import aio

from fairlead.store.etcd.members import LEADER_REQUIRED, Connection, Members
from fairlead.store.model import Change, Compacted, Unavailable, Watcher

_DELETE = 1
"""`mvccpb.Event.DELETE`."""
_PAUSE_S = 0.1


class EtcdWatch:
    """One watch; `follow` runs in a task of its own until `cancel`."""

    def __init__(self, members: Members, prefix: str, from_revision: int, watcher: Watcher) -> None:
        self._members = members
        self._prefix = prefix
        self._revision = from_revision
        self._watcher = watcher
        self._live = True
        self.task: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        self._live = False
        if self.task is not None:
            self.task.cancel()

    async def follow(self) -> None:
        """Delivers changes until cancelled or until the history it needs is compacted."""
        while self._live:
            connection = self._members.current
            try:
                await self._stream(connection)
            except Compacted as e:
                if self._live:
                    self._live = False
                    self._watcher.on_lost(e)
                return
            except (aio.AioRpcError, Unavailable):
                self._members.leave(connection)
            await asyncio.sleep(_PAUSE_S)

    async def _stream(self, connection: Connection) -> None:
        call = connection.watch.Watch(metadata=LEADER_REQUIRED)
        try:
            await call.write(_request(self._prefix, self._revision + 1))
            async for response in _responses(call):
                if response.compact_revision:
                    raise Compacted(
                        f"revision {self._revision} is compacted, the oldest kept is {response.compact_revision}"
                    )
                if response.canceled:
                    raise Unavailable(response.cancel_reason)
                if not response.created:
                    self._deliver(response)
        finally:
            call.cancel()

    def _deliver(self, response: Any) -> None:
        changes = [
            Change(event.kv.key.decode(), event.kv.mod_revision, None if event.type == _DELETE else event.kv.value)
            for event in response.events
        ]
        # A progress notification names a revision up to which all events have been sent; events may be of an older one
        # than the header's.
        self._revision = changes[-1].revision if changes else max(self._revision, response.header.revision)
        if self._live:
            self._watcher.on_changes(changes, self._revision)


async def _responses(call: Any) -> AsyncIterator[Any]:
    async for response in call:
        yield response


def _request(prefix: str, start: int) -> Any:
    return rpc.WatchRequest(
        create_request=rpc.WatchCreateRequest(
            key=prefix.encode(), range_end=prefix_end(prefix), start_revision=start, progress_notify=True
        )
    )


def prefix_end(prefix: str) -> bytes:
    """Returns the end of the range of keys that begin with the prefix (etcd API: `range_end`)."""
    raw = prefix.encode().rstrip(b"\xff")
    return raw[:-1] + bytes([raw[-1] + 1]) if raw else b"\0"


Cancel = Callable[[], None]
