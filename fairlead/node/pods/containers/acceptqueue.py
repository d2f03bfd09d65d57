"""Connections that clients have opened and a container's servers have not accepted yet.

A server that closes its port resets them. The kernel shows their number in `/proc/PID/net/{tcp,tcp6}` as the receive
queue of a listening socket (tcp_get_info and get_tcp4_sock; state 0A is TCP_LISTEN).
"""

from __future__ import annotations

import contextlib

_LISTENING = "0A"
_FILES = ("tcp", "tcp6")


def waiting(text: str) -> int:
    """Returns the number of connections in the accept queues of all listening sockets of one file."""
    rows = (line.split() for line in text.splitlines()[1:])
    return sum(int(row[4].partition(":")[2], 16) for row in rows if len(row) > 4 and row[3] == _LISTENING)


def waiting_for(pid: int) -> int:
    """Returns the number of the connections in the network namespace of a process; 0 if the process has ended."""
    found = 0
    for name in _FILES:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/net/{name}", encoding="ascii") as file:
            found += waiting(file.read())
    return found
