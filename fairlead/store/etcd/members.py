"""Connections to the members of an etcd cluster, of which one at a time is asked.

What must stay true: an error that another member may not have leads to that member, and only then to a pause. A call is
repeated until its time is up; whether a repeated call may have been carried out before is for the caller to judge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import grpc
from aetcd import rpc
from grpc import aio

from fairlead.base.dataclass import dataclass
from fairlead.store.model import Compacted, Full, InvalidWrite, StoreError, Unavailable

T = TypeVar("T")

LEADER_REQUIRED = (("hasleader", "true"),)
"""A member that is cut off from its cluster refuses instead of serving an old state."""
_ELSEWHERE = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED})
_FULL = "mvcc: database space exceeded"
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # gRPC would wait up to two minutes before it dials a member again that was down.
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.enable_http_proxy", 0),
)


@dataclass(frozen=True, slots=True)
class Target:
    """The parameters of a gRPC connection to a member."""

    address: str
    """`host:port`, or `unix:/path`."""
    server_name: str = ""
    """The name in the member's certificate if the address does not say it."""
    label: str = ""
    """The member in messages; empty: the address."""

    def __str__(self) -> str:
        return self.label or self.address


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM texts. Without `key` and `certificate` the client shows none."""

    ca: bytes | None = None
    certificate: bytes | None = None
    key: bytes | None = None


class Connection:
    """One member."""

    def __init__(self, target: Target, certificates: Certificates | None) -> None:
        self.target = target
        options: list[tuple[str, Any]] = list(_OPTIONS)
        if target.server_name:
            options.append(("grpc.ssl_target_name_override", target.server_name))
        if certificates is None:
            self.channel: aio.Channel = aio.insecure_channel(target.address, options=options)
        else:
            credentials = grpc.ssl_channel_credentials(certificates.ca, certificates.key, certificates.certificate)
            self.channel = aio.secure_channel(target.address, credentials, options=options)
        self.kv: Any = rpc.KVStub(self.channel)
        self.watch: Any = rpc.WatchStub(self.channel)


class Members:
    """All members; `current` is the one that answered last."""

    def __init__(self, targets: Sequence[Target], certificates: Certificates | None, *, timeout_s: float) -> None:
        self._connections = [Connection(target, certificates) for target in targets]
        self._at = 0
        self._timeout_s = timeout_s

    @property
    def current(self) -> Connection:
        return self._connections[self._at]

    def leave(self, connection: Connection) -> None:
        """Makes the next member the current one, unless another call already did."""
        if connection is self.current:
            self._at = (self._at + 1) % len(self._connections)

    async def call(self, call: Callable[[Connection, float], Awaitable[T]]) -> tuple[T, bool]:
        """Returns the answer, and whether an earlier attempt may have been carried out.

        `call` gets a member and its time-out in seconds. Raises Unavailable, Compacted, StoreError."""
        loop = asyncio.get_running_loop()
        deadline, attempts = loop.time() + self._timeout_s, 0
        while True:
            connection = self.current
            try:
                return await call(connection, max(0.1, min(deadline - loop.time(), self._timeout_s / 2))), attempts > 0
            except aio.AioRpcError as e:
                if e.code() not in _ELSEWHERE:
                    raise _translated(e) from e
                if loop.time() >= deadline:
                    raise Unavailable(f"etcd at {connection.target}: {e.details()}") from e
            self.leave(connection)
            attempts += 1
            if attempts % len(self._connections) == 0:
                await asyncio.sleep(min(0.05 * attempts, 0.5))

    async def close(self) -> None:
        for connection in self._connections:
            await connection.channel.close()


def _translated(error: aio.AioRpcError) -> StoreError:
    details = error.details() or error.code().name
    if error.code() is grpc.StatusCode.OUT_OF_RANGE and "compacted" in details:
        return Compacted(details)
    if _FULL in details:
        return Full(f"etcd is full ({details}): compact and defragment it, then disarm its NOSPACE alarm")
    error_type = InvalidWrite if error.code() is grpc.StatusCode.INVALID_ARGUMENT else StoreError
    return error_type(f"etcd: {details}")
