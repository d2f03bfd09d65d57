"""The line between the supervisor and what it started in other namespaces: one message a packet.

A message may come with the pid of a process: the kernel translates it (SCM_CREDENTIALS) into the number that the
process has where the message is read, so nobody searches /proc to learn what a pid inside the sandbox is outside.
SOCK_SEQPACKET keeps messages whole, so that several processes may hold the sandbox's end and write to it.
"""

from __future__ import annotations

import os
import socket
import struct

from fairlead.cmd.process.messages import Message, Stop, pack, unpack

_UCRED = struct.Struct("3i")
_MAX = 65536


class Channel:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def send(self, message: Message, *, pid: int | None = None) -> None:
        """Raises OSError if the other side is gone. Without `pid` the kernel names the sender; naming another
        process needs CAP_SYS_ADMIN over the pid namespace, which its pid 1 has."""
        ancillary = []
        if pid is not None:
            credentials = _UCRED.pack(pid, os.getuid(), os.getgid())
            ancillary.append((socket.SOL_SOCKET, socket.SCM_CREDENTIALS, credentials))
        self.sock.sendmsg([pack(message)], ancillary)

    def receive(self) -> tuple[Message, int] | None:
        """Returns the next message and the pid that came with it, or None if the other side is gone.

        Raises MessageError.
        """
        try:
            data, ancillary, _, _ = self.sock.recvmsg(_MAX, socket.CMSG_SPACE(_UCRED.size))
        except ConnectionError:
            return None
        if not data:
            return None
        pid = next((_UCRED.unpack(raw)[0] for _, kind, raw in ancillary if kind == socket.SCM_CREDENTIALS), 0)
        return unpack(data), pid

    def fileno(self) -> int:
        return self.sock.fileno()

    def close(self) -> None:
        self.sock.close()


def pair() -> tuple[Channel, Channel]:
    """Returns the supervisor's end (which learns pids) and the sandbox's."""
    unpack(pack(Stop()))  # reads the annotations of all messages before the fork, so that both sides share them
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    return Channel(ours), Channel(theirs)
