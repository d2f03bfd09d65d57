"""The rtnetlink socket. It stays bound to the network namespace of the thread that opened it."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import IPv6Address
from time import sleep

from fairlead.net.netlink.dump import (
    is_interrupted,
    is_last,
    is_local,
    is_running,
    messages,
    request,
    request_link,
    request_route,
)
from fairlead.net.netlink.model import Ack, Message, decode_acks, encode

_SOL_NETLINK, _CAP_ACK, _EXT_ACK = 270, 10, 11
_BATCH = 64
"""The number of messages in a send: the kernel queues every answer before send returns, and the receive buffer holds
some 200."""
_TRIES, _TRY_EVERY_S = 200, 0.001
_DUMPS = 20
"""Listings at most until one is whole."""


class Netlink:
    """The socket. Open it in its namespace (`linux.in_netns`); use it from any thread, one at a time."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.bind((0, 0))
        for option in (_CAP_ACK, _EXT_ACK):
            self._socket.setsockopt(_SOL_NETLINK, option, 1)
        self._seq = 0

    def execute(self, messages: Sequence[Message]) -> None:
        """Carries out every message in order, also after errors; raises OSError for the first that failed."""
        for start in range(0, len(messages), _BATCH):
            self._run_batch(messages[start : start + _BATCH])

    def _run_batch(self, batch: Sequence[Message]) -> None:
        first = self._seq + 1
        self._seq += len(batch)
        self._socket.send(encode(batch, first))
        acks: dict[int, Ack] = {}
        while len(acks) < len(batch):
            for ack in decode_acks(self._socket.recv(1 << 16)):
                if ack.seq >= first:
                    acks[ack.seq] = ack
        for seq in sorted(acks):
            ack = acks[seq]
            if ack.errno:
                why = f" ({ack.text})" if ack.text else ""
                raise OSError(ack.errno, f"{batch[seq - first].what}: {os.strerror(ack.errno)}{why}")

    def dump(self, kind: int) -> list[tuple[int, bytes]]:
        """Returns type and body of every message that answers the request `dump.GET_...`. Raises OSError."""
        for _ in range(_DUMPS):
            parts = self._dump_once(kind)
            if parts is not None:
                return parts
        raise OSError(errno.EAGAIN, "the objects were changed during every listing of them")

    def _dump_once(self, kind: int) -> list[tuple[int, bytes]] | None:
        """Returns None if objects were changed meanwhile: some may be missing."""
        self._seq += 1
        self._socket.send(request(kind, self._seq))
        parts: list[tuple[int, bytes]] = []
        interrupted = False
        while True:
            data = self._socket.recv(1 << 18)
            interrupted |= is_interrupted(data)
            for kind_of_this, body in messages(data):
                if is_last(kind_of_this):
                    code = -int.from_bytes(body[:4], sys.byteorder, signed=True) if len(body) >= 4 else 0
                    if code:
                        raise OSError(code, os.strerror(code))
                    return None if interrupted else parts
                parts.append((kind_of_this, body))

    def wait_running(self, index: int) -> bool:
        """Waits until a link that was just set up can send; returns False if that takes over 0.2 s.

        The kernel lets a link send only after a work queue has seen its carrier. Until then it drops frames, and a
        neighbour lookup is repeated only a second later. From Linux 6.8 on the request itself updates the state.
        """
        return self._wait(partial(request_link, index), is_running)

    def wait_local(self, address: IPv6Address, link: int) -> bool:
        """Waits until the kernel answers for an address that was just added; returns False if that takes over 0.2 s.

        A work queue joins the multicast group for neighbour solicitations of the address, then adds its local route.
        """
        return self._wait(partial(request_route, address, link), is_local)

    def _wait(self, question: Callable[[int], bytes], good: Callable[[int, bytes], bool]) -> bool:
        for _ in range(_TRIES):
            self._seq += 1
            self._socket.send(question(self._seq))
            if any(good(*answer) for answer in messages(self._socket.recv(1 << 16))):
                return True
            sleep(_TRY_EVERY_S)
        return False

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
