"""Malformed packets and floods of names: nothing stops the server, and memory stays within its bounds."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fairlead.dns.config import Config
from fairlead.dns.message import parse_reply
from fairlead.dns.server import UdpServer
from fairlead.dns.wire import HEADER, encode_name
from tests.dns.test_answers import cluster
from tests.dns.world import World, queries, question, show

FUZZ = int(os.environ.get("FAIRLEAD_DNS_FUZZ", "20000"))
"""Mutated packets; the long run is 1,000,000."""
_CHUNK = 64
_MOST_GROWTH_KIB = 2048


def resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


@contextmanager
def over_udp(world: World, family: socket.AddressFamily) -> Iterator[tuple[UdpServer, socket.socket]]:
    """The server on a real socket, drained by hand; and a client's."""
    host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    with socket.socket(family, socket.SOCK_DGRAM) as served, socket.socket(family, socket.SOCK_DGRAM) as client:
        served.bind((host, 0))
        client.connect(served.getsockname()[:2])
        client.settimeout(5)
        yield UdpServer(served, world.resolver), client


def exchange(server: UdpServer, client: socket.socket, packets: list[bytes], answers: int) -> list[bytes]:
    for packet in packets:
        client.send(packet)
    server.drain()
    return [client.recv(4096) for _ in range(answers)]


def shape(said: bytes) -> tuple[bytes, int, int]:
    """What is the same whoever's turn it is: id, code, length."""
    return said[:2], said[3] & 15, len(said)


@pytest.mark.slow
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def test_mutated_queries_never_stop_it_and_cost_no_memory(family: socket.AddressFamily) -> None:
    """A seeded fuzz, FAIRLEAD_DNS_FUZZ=1000000 the long one: each packet goes over TCP's way, over UDP's slow way, and
    in batches over a real socket, where the answers must be those of the slow way."""
    world = cluster(Config(upstreams=("host",)))
    seed = random.SystemRandom().getrandbits(32)
    before = 0
    with over_udp(world, family) as (server, client):
        for start in range(0, FUZZ, _CHUNK):
            packets = queries(min(_CHUNK, FUZZ - start), seed + start)
            wanted = [said for packet in packets if (said := world.ask(packet)) is not None]
            found = exchange(server, client, packets, len(wanted))
            assert sorted(map(shape, found)) == sorted(map(shape, wanted)), f"seed {seed + start}"
            assert all(len(said) <= 1232 for said in found), f"seed {seed + start}"
            for packet in packets:
                world.ask(packet, protocol="tcp")
            world.upstream.asked.clear()  # the test's own memory
            if start <= FUZZ // 10:
                before = resident_kib()
        asked = HEADER.pack(1, 0x0100, 1, 0, 0, 0) + question("web.default.svc.cluster.local", "A")
        assert [show(said) for said in exchange(server, client, [asked], 1)] == [["NOERROR", "A 10.96.0.7"]]
    assert world.metrics.panics == 0, f"seed {seed}"
    assert len(world.zone.hot) < 500
    assert resident_kib() - before < _MOST_GROWTH_KIB, f"seed {seed}"


def test_a_flood_of_random_names_leaves_nothing_behind() -> None:
    world = cluster()
    before, memory = len(world.zone.hot), resident_kib()
    for n in range(5000):
        world.raw(f"r{n}.default.svc.cluster.local")
        world.raw(f"r{n}.web.default.svc.cluster.local", "SRV")
    assert len(world.zone.hot) == before
    assert len(world.metrics.requests) < 5
    assert resident_kib() - memory < _MOST_GROWTH_KIB


def test_a_flood_of_pod_records_stays_within_the_bound() -> None:
    world = cluster()
    for n in range(40_000):
        world.raw(f"10-{n >> 8 & 255}-{n & 255}-1.default.pod.cluster.local")
    assert len(world.zone.hot) < 17_000


@pytest.mark.parametrize("body", [30, 4000], ids=["short answers", "long answers"])
def test_a_flood_of_names_outside_stays_within_the_cache_whatever_upstream_says(body: int) -> None:
    world = World(config=Config(upstreams=("host",)))
    size, rng = 100, random.Random(4)  # of World's cache
    for n in range(1000):
        name = f"{rng.getrandbits(64):x}.example.org"
        key = encode_name(name) + b"\0\1\0\1"
        count, code = (1, 0) if n % 2 else (0, 3)
        records = [b"\xc0\x0c\0\x10\0\1\0\0\1\0" + body.to_bytes(2, "big") + bytes(body)] * count
        soa = b"\0\0\6\0\1\0\0\1\0" + (body + 22).to_bytes(2, "big") + bytes(body + 18) + b"\0\0\1\0"
        head = HEADER.pack(9, 0x8180 | code, 1, count, 1 - count, 0)
        reply = parse_reply(head + key + (b"".join(records) or soa), 9, key)
        assert reply.ttl == 256
        world.upstream.answers[f"{name}.", 1] = reply
        world.raw(name)
    positive, negative = world.resolver.cache.counts()
    assert 10 <= positive <= size
    assert 10 <= negative <= size
    assert world.resolver.cache.size_bytes() <= 2 * size * 512
