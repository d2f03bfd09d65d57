"""The kernel's own trace of packets through nf_tables (linux/netfilter/nf_tables.h, NFT_MSG_TRACE).

A separate table sets `nftrace` on the first packet of a connection, before all other rules; the kernel then sends a
message for each rule that the packet matches. Rules of `iptables` count too if they are kept in nf_tables.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import NamedTuple

from fairlead.net.nft.model import Chain, NftError, Table, Transaction
from fairlead.net.nft.run import NftKernel

TABLE = "fairlead_trace"
_NETLINK_NETFILTER, _GROUP = 12, 9
_ADD_MEMBERSHIP = 1
_TRACE = 10 << 8 | 17
_TABLE, _CHAIN, _HANDLE, _TYPE = 1, 2, 3, 4
_MATCHED = 3
_RECEIVE = 1 << 16
_MOST = 1000
"""Largest number of matched rules that a trace returns."""
_SYN = "tcp flags & (syn | ack) == syn "
_KIND = 0x3FFF


class Met(NamedTuple):
    """A rule that the packet matched."""

    table: str
    chain: str


class KernelTrace:
    """Traces the first packets from one source port, in the network namespace of the calling thread, until `close`.

    The constructor raises NftError if the kernel does not permit it."""

    def __init__(self, protocol: str, source_port: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
        try:
            self._socket.bind((0, 0))
            self._socket.setsockopt(270, _ADD_MEMBERSHIP, _GROUP)  # SOL_NETLINK
        except OSError as e:
            self._socket.close()
            raise NftError(f"cannot receive the kernel's traces: {e.strerror}") from e
        self._socket.setblocking(False)
        self._kernel = NftKernel()
        self._kernel.run_text(_rules(protocol, source_port))

    def met(self) -> list[Met]:
        """Returns the rules matched so far, without those of this trace."""
        found: list[Met] = []
        while len(found) < _MOST:
            try:
                data = self._socket.recv(_RECEIVE)
            except BlockingIOError:
                break
            found += [one for one in decode(data) if one.table != TABLE]
        return found

    def close(self) -> None:
        try:
            self._kernel.delete(TABLE, "inet")
        finally:
            self._kernel.close()
            self._socket.close()

    def __enter__(self) -> KernelTrace:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()


def _rules(protocol: str, source_port: int) -> str:
    first = _SYN if protocol == "tcp" else ""
    rule = f"meta l4proto {protocol} th sport {source_port} {first}meta nftrace set 1"
    table = Table(
        TABLE,
        (),
        tuple(Chain(hook, (rule,), f"type filter hook {hook} priority -350") for hook in ("prerouting", "output")),
        family="inet",
    )
    # `replace` also deletes a table that is left of a trace that was killed.
    return Transaction(TABLE, table, family="inet").render()


def decode(data: bytes) -> Iterator[Met]:
    """Yields the matched rules in one datagram."""
    offset = 0
    while offset + 20 <= len(data):
        size, kind = struct.unpack_from("=IH", data, offset)
        if size < 20:
            return
        if kind == _TRACE:
            parts = _attributes(data[offset + 20 : offset + size])
            # The end of a chain has the same type, and no rule.
            if int.from_bytes(parts.get(_TYPE, b"")) == _MATCHED and _HANDLE in parts:
                yield Met(*(parts[kind].rstrip(b"\0").decode() for kind in (_TABLE, _CHAIN)))
        offset += (size + 3) & ~3


def _attributes(data: bytes) -> Mapping[int, bytes]:
    found, offset = {}, 0
    while offset + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, offset)
        if size < 4:
            break
        found[kind & _KIND] = data[offset + 4 : offset + size]
        offset += (size + 3) & ~3
    return found
