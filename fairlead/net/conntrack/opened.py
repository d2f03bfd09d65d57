"""Counts connections by the address that answers them, from the kernel's flow entries of all protocols.

Addresses and ports of an entry have fixed places in each family: an entry costs 1 µs instead of 10.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections import Counter
from collections.abc import Iterator, Mapping

from fairlead.base.dataclass import dataclass, field
from fairlead.net.errors import KernelError

_NETLINK_NETFILTER = 12
_RECEIVE = 1 << 18
_DUMP = struct.pack("=IHHIIBBH", 20, 0x0101, 0x301, 1, 0, socket.AF_UNSPEC, 0, 0)
_DONE, _ERROR = 3, 2
_BODY = 20
"""Bytes of the netlink header and of nfgenmsg."""
_WIDTHS = {(52, 0x8001): 4, (76, 0x8001): 16}
"""Bytes of an address by size and kind of CTA_TUPLE_ORIG: the addresses (20 or 44 bytes), then protocol and ports (28),
in a header of 4. Entries of ICMP have other sizes."""
_ORIGINAL = struct.Struct("=HH")
_MOST = 50_000
"""Entries read at most in one dump."""


def answerers(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the identity of each entry in one datagram of a dump, and the address that answers. Raises EOFError after
    the last datagram, OSError if the kernel reports an error."""
    offset = 0
    while offset + 16 <= len(data):
        size, kind = struct.unpack_from("=IH", data, offset)
        if kind == _DONE:
            raise EOFError
        if kind == _ERROR:
            code = -struct.unpack_from("=i", data, offset + 16)[0]
            raise OSError(code, os.strerror(code))
        start = offset + _BODY
        header = _ORIGINAL.unpack_from(data, start)
        if width := _WIDTHS.get(header):
            # After the reply's header come CTA_TUPLE_IP (4 bytes), then the source's attribute (4) and address.
            source = start + header[0] + 12
            yield data[start : start + header[0]], data[source : source + width]
        offset += (size + 3) & ~3


@dataclass(slots=True)
class Opened:
    """Sums of the connections that began between readings, by the address that answers."""

    sums: Counter[str] = field(default_factory=Counter)
    open: Mapping[str, int] = field(default_factory=dict)
    """Entries now; the kernel keeps closed connections for up to two minutes."""
    _known: set[bytes] | None = None

    def read(self) -> None:
        """Reads the entries of this thread's network namespace. Raises KernelError."""
        try:
            self.count(_read_all())
        except OSError as error:
            raise KernelError(f"cannot read the tracked connections: {error.strerror}") from error

    def count(self, entries: list[tuple[bytes, bytes]]) -> None:
        """Takes one reading."""
        now = Counter(address for _, address in entries)
        self.open = {_text(address): count for address, count in now.items()}
        identities = {identity for identity, _ in entries}
        if self._known is not None:
            fresh = identities - self._known
            self.sums.update(_text(address) for identity, address in entries if identity in fresh)
        self._known = identities


def _text(address: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET if len(address) == 4 else socket.AF_INET6, address)


def _read_all() -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER) as sock:
        sock.bind((0, 0))
        sock.send(_DUMP)
        try:
            while len(found) < _MOST:
                found += answerers(_received(sock))
        except EOFError:
            pass
    return found


def _received(sock: socket.socket) -> bytes:
    data = sock.recv(_RECEIVE)
    if not data:
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    return data
