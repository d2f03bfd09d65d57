"""SCTP through the kernel's rules: the first two packets of an association, made by hand.

Many kernels have connection tracking and address translation of SCTP but not the protocol itself, so its sockets
may be missing. Raw sockets send and receive real packets, with the checksum that the kernel checks and corrects."""

from __future__ import annotations

import socket
import struct
from functools import partial

import pytest

from fairlead.api.discovery.endpointslice.kind import EndpointPort
from fairlead.net import linux
from fairlead.net.family import IPV4, IPV6, Family
from tests.net.sandbox import in_sandbox
from tests.proxy.backends import KERNELS, Kind
from tests.proxy.objects import port, slice_of
from tests.proxy.paths import EXTERNAL, NODE_PORT, NODES, PODS, VIP, Case, in_six, made, six
from tests.proxy.test_paths import FAMILIES, Real

SCTP = 132
_INIT, _INIT_ACK = 1, 2
_HEADER = 12
_TAG = 0x1234
_CASTAGNOLI = 0x82F63B78
PORTS = (port(name="s", protocol="SCTP", nodePort=NODE_PORT),)
NUMBERS = (EndpointPort(name="s", port=8080, protocol="SCTP"),)


def checksum(data: bytes) -> int:
    """Returns the CRC32c (RFC 9260, appendix A), computed bit by bit: the packets are short."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (_CASTAGNOLI if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def packet(source: int, target: int, tag: int, chunk: int) -> bytes:
    """Returns a packet with an INIT or INIT ACK that offers one stream each way."""
    body = struct.pack(">BBHIIHHI", chunk, 0, 20, _TAG, 65536, 1, 1, 1)
    head = struct.pack(">HHI", source, target, tag)
    return head + struct.pack("<I", checksum(head + bytes(4) + body)) + body


def read(data: bytes, family: Family) -> tuple[int, int, int, bool]:
    """Returns source and target port, the chunk's type, and whether the checksum is right."""
    found = data[(data[0] & 15) * 4 :] if family is IPV4 else data
    source, target, _ = struct.unpack(">HHI", found[:8])
    right = struct.unpack("<I", found[8:_HEADER])[0] == checksum(found[:8] + bytes(4) + found[_HEADER:])
    return source, target, found[_HEADER], right


def raw(family: Family) -> socket.socket:
    made_socket = socket.socket(socket.AF_INET if family is IPV4 else socket.AF_INET6, socket.SOCK_RAW, SCTP)
    made_socket.settimeout(1)
    return made_socket


def associate(real: Real, ip: str, number: int, family: Family) -> list[object]:
    """Opens an association from pod a to the address, which pod b answers; returns what both saw."""
    a, b = (linux.in_netns(pod.netns, partial(raw, family)) for pod in real.cluster.pods[:2])
    with a, b:
        a.connect((ip, 0))
        a.send(packet(5000, number, 0, _INIT))
        data, client = b.recvfrom(1000)
        seen = read(data, family)
        b.sendto(packet(seen[1], seen[0], _TAG, _INIT_ACK), (client[0], 0))
        return [seen[1:], client[0], read(a.recv(1000), family)]


def _every_address(family: Family, kind: Kind) -> None:
    real = Real(family=family, kind=kind)

    def case(*pods: str) -> Case:
        slices = [slice_of(*(PODS[pod] for pod in pods), ports=NUMBERS)] if pods else []
        found = Case("sctp", made(PORTS), slices)
        return in_six(found) if family is IPV6 else found

    def at(ip: str) -> str:
        return six(ip) if family is IPV6 else ip

    real.put(case("b"))
    assert associate(real, at(VIP), 80, family) == [(8080, _INIT, True), at(PODS["a"]), (80, 5000, _INIT_ACK, True)]
    for ip, number in ((EXTERNAL, 80), (NODES["node1"], NODE_PORT)):
        seen, client, answer = associate(real, at(ip), number, family)
        assert seen == (8080, _INIT, True)
        assert client != at(PODS["a"]), "masqueraded"
        assert answer == (number, 5000, _INIT_ACK, True)
    real.put(case())
    for ip, number in ((VIP, 80), (EXTERNAL, 80), (NODES["node1"], NODE_PORT)):
        with linux.in_netns(real.cluster.pods[0].netns, partial(raw, family)) as peer:
            peer.connect((at(ip), 0))
            peer.send(packet(5001, number, 0, _INIT))
            with pytest.raises(ConnectionRefusedError):
                peer.recv(1000)


@pytest.mark.kernel
@KERNELS
@FAMILIES
def test_associations_are_led_to_an_endpoint_from_every_kind_of_address_and_refused_without_one(
    family: Family, kind: Kind
) -> None:
    in_sandbox(partial(_every_address, family, kind), ordinary=True)


def test_the_checksum_is_sctps() -> None:
    assert checksum(b"123456789") == 0xE3069283
