"""Messages on the SOCK_SEQPACKET pair of agent and zygote: one a packet, in JSON, with descriptors beside it.

Each packet has the protocol's version, so that two sides of different versions detect the difference before they
misread a message. A packet too long for the socket travels in a memfd, its first descriptor, and is marked by a `+`.
Standard library only.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Sequence
from typing import Any

from fairlead.base.codec import CodecError, Fault, decode, encode
from fairlead.node.runtime.protocol.messages import VERSION, Answer, Hello, Inventory, Message, Request

_PACKET = 60_000  # bytes; well under the least send buffer
_MAX_FDS = 8
_IN_MEMFD = b"+"
_UNTIL_ADAPTED = 10
_MESSAGE: Any = Message


class OtherVersion(Exception):
    """The peer speaks another version of the protocol; None: it is older than versions are."""

    def __init__(self, version: object) -> None:
        super().__init__(f"version {version}" if isinstance(version, int) else "an unversioned protocol")


def prepare() -> None:
    """Reads the annotations of all messages, and lets the interpreter adapt the code that reads and writes them
    (PEP 659). Called before a fork: each process that does this alone copies 0.3 MB of shared memory."""
    for _ in range(_UNTIL_ADAPTED):
        loads(dumps(Request(0, Hello(0))))
        loads(dumps(Answer(0, 0, Inventory())))


def dumps(message: Message) -> bytes:
    tree = {"version": VERSION, "message": encode(_MESSAGE, message)}
    return json.dumps(tree, separators=(",", ":")).encode()


def loads(data: bytes) -> Message:
    """Raises OtherVersion, and CodecError for a packet that is not a message."""
    try:
        tree = json.loads(data)
    except ValueError as error:
        raise CodecError(Fault("", f"not JSON: {error}")) from error
    version = tree.get("version") if isinstance(tree, dict) else None
    if version != VERSION:
        raise OtherVersion(version)
    if tree.keys() != {"version", "message"}:
        raise CodecError(Fault("", f"expected version and message, got {', '.join(map(repr, tree))}"))
    message: Message = decode(_MESSAGE, tree["message"], whole=True, root="message")
    return message


def send(sock: socket.socket, data: bytes, fds: Sequence[int] = ()) -> None:
    """Sends one packet, whole or not at all. Raises BlockingIOError if the peer does not keep up."""
    flags = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
    if len(data) <= _PACKET:
        sock.sendmsg([data], _rights(fds), flags)
        return
    long = os.memfd_create("message", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(long), "wb") as file:
            file.write(data)
        sock.sendmsg([_IN_MEMFD], _rights([long, *fds]), flags)
    finally:
        os.close(long)


def _rights(fds: Sequence[int]) -> list[tuple[int, int, bytes]]:
    return [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"{len(fds)}i", *fds))] if fds else []


def _descriptors(extra: list[tuple[int, int, bytes]]) -> list[int]:
    return [fd for _, _, raw in extra for (fd,) in struct.iter_unpack("i", raw[: len(raw) // 4 * 4])]


def receive(sock: socket.socket) -> tuple[bytes, list[int]] | None:
    """Returns the next packet with its descriptors (close-on-exec), or None if the peer has closed the socket. Raises
    BlockingIOError if no packet is waiting."""
    flags = socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT
    # Not socket.recv_fds: it ignores its flags (Python 3.11), so descriptors would leak into what is exec'ed.
    data, extra, _, _ = sock.recvmsg(_PACKET + 1, socket.CMSG_SPACE(4 * _MAX_FDS), flags)
    fds = _descriptors(extra)
    if not data:
        return None
    if data == _IN_MEMFD:
        with os.fdopen(fds.pop(0), "rb") as file:
            file.seek(0)
            data = file.read()
    return data, fds


def receive_fds(sock: socket.socket) -> list[int]:
    """Returns the descriptors (close-on-exec) of a packet and ignores its text; empty at the stream's end."""
    _, extra, _, _ = sock.recvmsg(16, socket.CMSG_SPACE(4 * _MAX_FDS), socket.MSG_CMSG_CLOEXEC)
    return _descriptors(extra)
