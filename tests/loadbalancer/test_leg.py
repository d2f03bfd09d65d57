"""A node's leg on the fabric, with the kernel's own answers: both families, and what the others on the link believe."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_interface

import pytest

from fairlead.loadbalancer.announcer.run import Leg
from fairlead.net import linux
from fairlead.net.netlink.model import add_address, add_bridge, add_veth, set_up
from fairlead.net.netlink.run import Netlink
from tests.cluster.support import until
from tests.net.sandbox import as_any_user, in_sandbox

pytestmark = pytest.mark.kernel

A4, A6 = "172.30.0.200", "fd00:172:30::c8"


def new_member(index: int) -> int:
    """A namespace with a leg on the bridge: 172.30.0.N and fd00:172:30::N."""
    netns, _ = linux.new_netns()
    with Netlink() as outside:
        outside.execute(
            [add_veth(f"m{index}", 100 + index, peer_name="eth0", peer_index=2, peer_netns=netns, master=10)]
        )

    def inside() -> None:
        linux.put("/proc/sys/net/ipv6/conf/all/accept_dad", "0")
        addresses = (f"172.30.0.{index}/24", f"fd00:172:30::{index}/64")
        with Netlink() as netlink:
            netlink.execute([set_up(1), *(add_address(2, ip_interface(a)) for a in addresses), set_up(2)])

    linux.in_netns(netns, inside)
    return netns


def build() -> list[int]:
    with Netlink() as netlink:
        netlink.execute([set_up(1), add_bridge("br0", 10)])
    return [new_member(i) for i in (1, 2, 3)]


@contextmanager
def answering(netns: int, address: str) -> Iterator[None]:
    """A program that listens at all addresses."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    server = linux.in_netns(netns, lambda: socket.create_server(("", 80), family=family))
    with server:
        yield


def source_seen(client: int, server: int, address: str) -> str:
    """Returns the address from which the client connects; fails if it cannot connect."""
    with answering(server, address):

        def dial() -> str:
            with socket.create_connection((address, 80), 3) as sock:
                return str(sock.getsockname()[0])

        return linux.in_netns(client, dial)


def neighbour(netns: int, address: str) -> bytes:
    """Returns the link address in the namespace's neighbour table; empty if the table has none."""
    family, raw = (10, socket.inet_pton(socket.AF_INET6, address)) if ":" in address else (2, socket.inet_aton(address))

    def look() -> bytes:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
            sock.bind((0, 0))
            sock.send(struct.pack("=IHHIIB3xiHBB", 28, 30, 0x301, 1, 0, family, 0, 0, 0, 0))
            found = b""
            while True:
                data = sock.recv(65536)
                offset = 0
                while offset < len(data):
                    size, kind = struct.unpack_from("=IH", data, offset)
                    if kind == 3:
                        return found
                    attributes = dict(_attributes(data[offset + 28 : offset + size]))
                    if attributes.get(1) == raw:
                        found = attributes.get(2, b"")
                    offset += (size + 3) & ~3

    return linux.in_netns(netns, look)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + 4 <= len(data):
        size, kind = struct.unpack_from("=HH", data, offset)
        yield kind, data[offset + 4 : offset + size]
        offset += max((size + 3) & ~3, 4)


def mac(netns: int) -> bytes:
    def look() -> bytes:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
            sock.bind(("eth0", 0x88B5))
            found: bytes = sock.getsockname()[4]
            return found

    return linux.in_netns(netns, look)


def move(address: str) -> Callable[[], dict[str, object]]:
    def work() -> dict[str, object]:
        client, one, two = build()
        first, second = (linux.in_netns(netns, lambda: Leg("eth0")) for netns in (one, two))
        first.add([address], 3)
        report: dict[str, object] = {"by": source_seen(client, one, address)}
        report["knows the first"] = neighbour(client, address) == mac(one)
        first.delete([address])
        first.delete([address])  # its time may have run out
        second.add([address], 3)
        second.announce([address])
        report["knows the second"] = neighbour(client, address) == mac(two)
        report["again"] = source_seen(client, two, address)
        report["holder goes out as"] = source_seen(
            two, client, f"{address.rpartition(':')[0]}:1" if ":" in address else "172.30.0.1"
        )
        return report

    return work


@as_any_user
@pytest.mark.parametrize("address", [A4, A6])
def test_the_announcing_leg_answers_for_an_address_and_an_announcement_moves_it(address: str, ordinary: bool) -> None:
    report = in_sandbox(move(address), ordinary=ordinary)
    own = ("172.30.0.1", "172.30.0.3") if address == A4 else ("fd00:172:30::1", "fd00:172:30::3")
    assert report == {
        "by": own[0],
        "knows the first": True,
        "knows the second": True,
        "again": own[0],
        "holder goes out as": own[1],
    }


def let_go() -> list[bool]:
    _, one, _ = build()
    leg = linux.in_netns(one, lambda: Leg("eth0"))
    leg.add([A4, A6], 1)
    found = [has(one, A4), has(one, A6)]
    until_gone(one)
    return [*found, has(one, A4), has(one, A6)]


def has(netns: int, address: str) -> bool:
    """Returns True if the kernel would accept a connection to the address."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET

    def bind() -> bool:
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            try:
                sock.bind((address, 0))
            except OSError:
                return False
            return True

    return linux.in_netns(netns, bind)


def until_gone(netns: int) -> None:
    until("their end", lambda: not has(netns, A4) and not has(netns, A6))


@pytest.mark.slow
def test_an_address_expires_unless_its_lifetime_is_prolonged() -> None:
    assert in_sandbox(let_go) == [True, True, False, False]
