"""The channel between the supervisor and the sandbox: one message per packet.

A message may carry the pid of a process. The kernel translates the pid (SCM_CREDENTIALS) into the pid namespace of the
reader, so the supervisor need not search /proc for it. SOCK_SEQPACKET keeps messages whole, so that several processes
may write to the sandbox's end.
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
        """Sends a message. Raises OSError if the other side is gone.

        Without `pid` the kernel sends the sender's pid. Sending another process's pid needs CAP_SYS_ADMIN over the pid
        namespace, which its pid 1 has.
        """
        ancillary = []
        if pid is not None:
            credentials = _UCRED.pack(pid, os.getuid(), os.getgid())
            ancillary.append((socket.SOL_SOCKET, socket.SCM_CREDENTIALS, credentials))
        self.sock.sendmsg([pack(message)], ancillary)

    def receive(self) -> tuple[Message, int] | None:
        """Returns the next message and its pid, or None if the other side is gone. Raises MessageError."""
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
    """Returns the supervisor's end, which receives pids, and the sandbox's end."""
    unpack(pack(Stop()))  # reads the annotations of all messages before the fork, so that both sides share them
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    return Channel(ours), Channel(theirs)
