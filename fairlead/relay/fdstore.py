"""Stores the relay's sockets in pid 1, so that they outlive the relay.

What must stay true: a stored socket stays open until the relay removes it, so a client of a relay
that is being restarted waits in the backlog instead of being refused. Pid 1 does not interpret an entry: a key, a
text, and a descriptor. Descriptors are plain numbers, see `cmd/process/pid1.py`.

One packet a message, with the socket the first time and without it if only the text changes. Standard library only
(pid 1 imports this).
"""

from __future__ import annotations

import array
import json
import os
import socket
from collections.abc import Sequence
from typing import Any

from fairlead.base.codec import CodecError, decode, encode
from fairlead.base.dataclass import dataclass

_MAX = 65536
_INT = array.array("i").itemsize
MOST = 16384
"""Maximal number of sockets. Further ones are not stored; the next relay opens them again."""


@dataclass(frozen=True, slots=True)
class StoredFd:
    key: str
    state: str
    fd: int


@dataclass(frozen=True, slots=True)
class StoreMessage:
    key: str
    state: str | None
    """None removes the entry."""


_MESSAGE: Any = StoreMessage


def pack(message: StoreMessage) -> bytes:
    return json.dumps(encode(_MESSAGE, message)).encode()


class FdStore:
    """The stored sockets, in pid 1."""

    def __init__(self) -> None:
        ours, relay = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._fd, self.relay_end = ours.detach(), relay.detach()
        self._stored: dict[str, StoredFd] = {}

    def fileno(self) -> int:
        return self._fd

    def fds(self) -> Sequence[int]:
        """Returns the stored sockets, after reading the last relay's messages."""
        self.receive()
        return [stored.fd for stored in self._stored.values()]

    def contents(self) -> list[StoredFd]:
        return list(self._stored.values())

    def close(self) -> None:
        """Closes the stored sockets and this end of the socket pair."""
        for fd in (self._fd, *(stored.fd for stored in self._stored.values())):
            os.close(fd)
        self._stored.clear()

    def receive(self) -> None:
        """Reads all pending messages. Never blocks."""
        sock = socket.socket(fileno=self._fd)
        try:
            while True:
                self._handle(*_receive(sock))
        except BlockingIOError:
            return
        finally:
            sock.detach()

    def _handle(self, data: bytes, fds: Sequence[int]) -> None:
        try:
            message = decode(StoreMessage, json.loads(data))
        except (CodecError, RecursionError, ValueError):  # pid 1 does not end because of what the relay sends
            for fd in fds:
                os.close(fd)
            return
        key, state = message.key, message.state
        before = self._stored.pop(key, None)
        held = [*([before.fd] if before else ()), *fds]
        if held and state is not None and len(self._stored) < MOST:
            self._stored[key] = StoredFd(key, state, held.pop())  # the new socket if there is one
        for fd in held:
            os.close(fd)


def _receive(sock: socket.socket) -> tuple[bytes, Sequence[int]]:
    data, ancillary, _, _ = sock.recvmsg(_MAX, socket.CMSG_SPACE(_INT), socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for level, kind, raw in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(raw[: len(raw) - len(raw) % _INT])
    return data, fds
