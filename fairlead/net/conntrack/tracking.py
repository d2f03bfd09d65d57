"""Reads tracked connections of all protocols, and new ones as they are made. Apart from `run.py`, which every node
imports.

The sockets stay bound to the network namespace of the thread that opened them."""

from __future__ import annotations

import errno
import os
import socket

from fairlead.net.conntrack.entries import EndOfEntries, Entry, decode, request
from fairlead.net.conntrack.run import ConntrackError

_NETLINK_NETFILTER = 12
_RECEIVE = 1 << 18
_SOL_NETLINK, _ADD_MEMBERSHIP, _NEW_GROUP = 270, 1, 1
"""NFNLGRP_CONNTRACK_NEW (linux/netfilter/nfnetlink_compat.h)."""


def entries(family: str = "ip") -> list[Entry]:
    """Returns the connections of a family in the present namespace. Raises ConntrackError."""
    found: list[Entry] = []
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER) as sock:
            sock.bind((0, 0))
            sock.send(request(1, family))
            while True:
                for entry in decode(sock.recv(_RECEIVE)):
                    found.append(entry)  # noqa: PERF402 -- what came before the end of the dump is kept
    except EndOfEntries as end:
        if end.args[0]:
            raise ConntrackError(f"cannot read the tracked connections: {os.strerror(end.args[0])}") from None
    except OSError as e:
        raise ConntrackError(f"cannot read the tracked connections: {e.strerror}") from e
    return found


class NewConnections:
    """New connections of all protocols and both families, as they are made, in the namespace of the calling thread.
    The constructor raises OSError."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE)
        self._socket.bind((0, 0))
        self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _NEW_GROUP)

    def receive(self) -> list[Entry]:
        """Waits for the next connections. Connections that the kernel could not report are left out."""
        try:
            return list(decode(self._socket.recv(_RECEIVE)))
        except OSError as e:
            if e.errno != errno.ENOBUFS:
                raise
            return []

    def close(self) -> None:
        self._socket.close()
