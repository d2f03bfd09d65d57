"""Messages between the agent and the zygote: one JSON object a packet on a SOCK_SEQPACKET pair, descriptors beside it.

A message too long for a packet travels in a memfd, its first descriptor, and says so with a leading `+`.
Standard library only.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Sequence
from typing import Any

Message = dict[str, Any]

_PACKET = 60_000  # bytes; well under the least send buffer
_MAX_FDS = 8


def send(sock: socket.socket, message: Message, fds: Sequence[int] = ()) -> None:
    """One message, whole or not at all. Raises BlockingIOError where the peer does not keep up."""
    data = json.dumps(message, separators=(",", ":")).encode()
    flags = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
    if len(data) <= _PACKET:
        sock.sendmsg([data], _rights(fds), flags)
        return
    long = os.memfd_create("message", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(long), "wb") as file:
            file.write(data)
        sock.sendmsg([b"+"], _rights([long, *fds]), flags)
    finally:
        os.close(long)


def _rights(fds: Sequence[int]) -> list[tuple[int, int, bytes]]:
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"{len(fds)}i", *fds))] if fds else []


def _descriptors(extra: list[tuple[int, int, bytes]]) -> list[int]:
    return [fd for _, _, raw in extra for (fd,) in struct.iter_unpack("i", raw[: len(raw) // 4 * 4])]


def receive(sock: socket.socket, *, wait: bool = False) -> tuple[Message, list[int]] | None:
    """The next message with its descriptors (close-on-exec), or None where the peer has gone for good.
    Raises BlockingIOError where there is none and `wait` is not set."""
    flags = socket.MSG_CMSG_CLOEXEC | (0 if wait else socket.MSG_DONTWAIT)
    # Not socket.recv_fds: it ignores its flags (Python 3.11), so descriptors would leak into what is exec'ed.
    data, extra, _, _ = sock.recvmsg(_PACKET + 1, socket.CMSG_SPACE(4 * _MAX_FDS), flags)
    fds = _descriptors(extra)
    if not data:
        return None
    if data == b"+":
        with os.fdopen(fds.pop(0), "rb") as file:
            file.seek(0)
            data = file.read()
    message: Message = json.loads(data)
    return message, fds


def take_fds(sock: socket.socket) -> list[int]:
    """The descriptors (close-on-exec) of a packet whose text does not matter; none at the stream's end."""
    _, extra, _, _ = sock.recvmsg(16, socket.CMSG_SPACE(4 * _MAX_FDS), socket.MSG_CMSG_CLOEXEC)
    return _descriptors(extra)
