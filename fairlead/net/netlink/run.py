"""The rtnetlink socket. It stays bound to the network namespace of the thread that opened it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import IPv6Address
from time import sleep

from fairlead.net.netlink.dump import is_last, is_local, is_running, messages, request, request_link, request_route
from fairlead.net.netlink.model import Ack, Message, decode_acks, encode

_SOL_NETLINK, _CAP_ACK, _EXT_ACK = 270, 10, 11
_BATCH = 64
"""Messages a send: the kernel queues every answer before send returns, and the receive buffer holds some 200."""
_LOOKS, _LOOK_EVERY_S = 200, 0.001


class Netlink:
    """Open it in the namespace it is for (`linux.in_netns`); use it from any thread, one at a time."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.bind((0, 0))
        for option in (_CAP_ACK, _EXT_ACK):
            self._socket.setsockopt(_SOL_NETLINK, option, 1)
        self._seq = 0

    def run(self, messages: Sequence[Message]) -> None:
        """Carries out every message in order, going on past errors; raises OSError for the first that failed."""
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
        """Type and body of every message that answers the question `dump.GET_...`. Raises OSError."""
        self._seq += 1
        self._socket.send(request(kind, self._seq))
        found: list[tuple[int, bytes]] = []
        while True:
            for kind_of_this, body in messages(self._socket.recv(1 << 18)):
                if is_last(kind_of_this):
                    code = -int.from_bytes(body[:4], sys.byteorder, signed=True) if len(body) >= 4 else 0
                    if code:
                        raise OSError(code, os.strerror(code))
                    return found
                found.append((kind_of_this, body))

    def wait_running(self, index: int) -> bool:
        """Waits until frames can be sent by a link that was just set up; False where that takes over 0.2 s.

        The kernel lets a link send only when a work queue has got to know of its carrier. Until then it drops what is
        sent, and whoever looked for a neighbour tries again a second later. From Linux 6.8 on the question itself makes
        the kernel catch up."""
        return self._wait(partial(request_link, index), is_running)

    def wait_local(self, address: IPv6Address, link: int) -> bool:
        """Waits until an address that was just added is heard at; False where that takes over 0.2 s.

        A work queue joins the group in which neighbours look for an IPv6 address, then routes the address here."""
        return self._wait(partial(request_route, address, link), is_local)

    def _wait(self, question: Callable[[int], bytes], good: Callable[[int, bytes], bool]) -> bool:
        for _ in range(_LOOKS):
            self._seq += 1
            self._socket.send(question(self._seq))
            if any(good(*answer) for answer in messages(self._socket.recv(1 << 16))):
                return True
            sleep(_LOOK_EVERY_S)
        return False

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
