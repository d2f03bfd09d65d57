"""The traffic of Pods, from the counters of their links and the kernel's flow entries."""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address

import pytest

from fairlead.net.conntrack.opened import Opened, answerers
from fairlead.node.usage.traffic import LinkCounters, parse_devices

DEVICES = """\
Inter-|   Receive                             |  Transmit
 face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed
    lo:  100 1 0 0 0 0 0 0 100 1 0 0 0 0 0 0
veth0a1b2c3d4e5: 5000 40 0 0 0 0 0 0 70000 60 0 0 0 0 0 0
"""


def attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), kind) + data + b"\0" * (-len(data) % 4)


def flow(client: str, port: int, target: str, answerer: str) -> bytes:
    """Returns an entry as ctnetlink sends it (linux/netfilter/nfnetlink_conntrack.h)."""

    def end(source: str, destination: str, ports: tuple[int, int]) -> bytes:
        kinds = (3, 4) if ":" in source else (1, 2)
        addresses = b"".join(
            attribute(kind, ip_address(ip).packed) for kind, ip in zip(kinds, (source, destination), strict=True)
        )
        numbers = (
            attribute(1, b"\6") + attribute(2, struct.pack(">H", ports[0])) + attribute(3, struct.pack(">H", ports[1]))
        )
        return attribute(0x8001, addresses) + attribute(0x8002, numbers)

    body = attribute(0x8001, end(client, target, (port, 80))) + attribute(0x8002, end(answerer, client, (8080, port)))
    family = socket.AF_INET6 if ":" in client else socket.AF_INET
    body = struct.pack("=BBH", family, 0, 0) + body + attribute(7, b"\0\0\0\1")
    return struct.pack("=IHHII", 16 + len(body), 0x0100, 2, 1, 0) + body


END = struct.pack("=IHHIIi", 20, 3, 2, 1, 0, 0)


def test_a_pod_receives_what_its_nodes_side_of_the_link_sends() -> None:
    found = parse_devices(DEVICES)
    assert found["veth0a1b2c3d4e5"] == LinkCounters(70000, 60, 5000, 40)


def test_entries_are_read_with_the_address_that_answers() -> None:
    data = flow("10.0.0.1", 4000, "10.96.0.9", "10.244.1.2") + flow("10.0.0.1", 4001, "10.96.0.9", "10.244.1.3")
    found = list(answerers(data))
    assert [socket.inet_ntoa(address) for _, address in found] == ["10.244.1.2", "10.244.1.3"]
    assert len({identity for identity, _ in found}) == 2


def test_connections_of_both_families_are_counted() -> None:
    six = [flow("fd00::1", port, "fd00:10:96::9", "fd00:10:244:1::2") for port in (4000, 4001)]
    opened = Opened()
    opened.count(list(answerers(flow("10.0.0.1", 4000, "10.96.0.9", "10.244.1.2") + six[0])))
    opened.count(list(answerers(flow("10.0.0.1", 4000, "10.96.0.9", "10.244.1.2") + six[0] + six[1])))
    assert opened.open == {"10.244.1.2": 1, "fd00:10:244:1::2": 2}
    assert opened.sums == {"fd00:10:244:1::2": 1}


def test_the_end_and_an_error_of_a_dump_are_reported() -> None:
    with pytest.raises(EOFError):
        list(answerers(END))
    with pytest.raises(PermissionError):
        list(answerers(struct.pack("=IHHIIi", 20, 2, 0, 1, 0, -1)))


def test_connections_count_from_the_second_reading_on() -> None:
    opened = Opened()
    first, second = (list(answerers(flow("10.0.0.1", port, "10.96.0.9", "10.244.1.2"))) for port in (1, 2))
    opened.count(first)
    assert (opened.open, opened.sums["10.244.1.2"]) == ({"10.244.1.2": 1}, 0)
    opened.count(first + second)
    assert (opened.open, opened.sums["10.244.1.2"]) == ({"10.244.1.2": 2}, 1)
    opened.count(second)
    assert (opened.open, opened.sums["10.244.1.2"]) == ({"10.244.1.2": 1}, 1)
