"""The ctnetlink socket. It stays bound to the network namespace of the thread that opened it."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable

from fairlead.net.conntrack.model import EndOfDump, Flow, decode_ack, decode_flows, delete_request, dump_request
from fairlead.net.errors import KernelError

_NETLINK_NETFILTER = 12
_RECEIVE = 1 << 18


class ConntrackError(KernelError):
    """The kernel refused to list flow entries, or to delete one."""


class Conntrack:
    """The kernel's flow entries; satisfies `FlowTable`. The constructor raises OSError if the kernel lacks netfilter
    netlink."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        self._seq = 0

    def flows(self, family: str = "ip") -> list[Flow]:
        """Returns all UDP flows, at 10 µs an entry. Raises ConntrackError, also if the kernel lacks ctnetlink."""
        try:
            return self._dump(family)
        except OSError as e:
            raise ConntrackError(f"cannot read the tracked flows: {e.strerror}") from e

    def delete_flows(self, flows: Iterable[Flow]) -> int:
        """Deletes the entries, so that rules apply to their clients' next packets; returns how many still existed."""
        try:
            return sum(self._drop(flow) for flow in flows)
        except OSError as e:
            raise ConntrackError(f"cannot delete a flow: {e.strerror}") from e

    def _dump(self, family: str) -> list[Flow]:
        self._seq += 1
        self._socket.send(dump_request(self._seq, family))
        flows: list[Flow] = []
        try:
            while True:
                for flow in decode_flows(self._socket.recv(_RECEIVE)):
                    flows.append(flow)  # noqa: PERF402 -- what came before the end of the dump is kept
        except EndOfDump as end:
            code = end.args[0]
            if code:
                raise OSError(code, os.strerror(code)) from None
        return flows

    def _drop(self, flow: Flow) -> bool:
        self._seq += 1
        self._socket.send(delete_request(flow, self._seq))
        code = decode_ack(self._socket.recv(_RECEIVE))
        if code not in (0, errno.ENOENT):
            raise OSError(code, os.strerror(code))
        return code == 0

    def close(self) -> None:
        self._socket.close()
