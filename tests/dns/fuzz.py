"""The fuzz of DNS: seeded malformed queries against the server, with its memory watched, in a separate process.

`python -m tests.dns.fuzz COUNT IPv4|IPv6 [SEED]`; the long run has 1,000,000. Each packet takes TCP's path and
UDP's slow path. Batches also go over a real socket, and their answers must equal those of the slow path."""

from __future__ import annotations

import os
import random
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fairlead.dns.config import Config
from fairlead.dns.protocol.wire import HEADER
from fairlead.dns.serving.server import UdpServer
from tests.dns.test_answers import cluster
from tests.dns.world import World, queries, question, show

CHUNK = 64
MOST_GROWTH_KIB = 2048
FAMILIES = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}


def resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


@contextmanager
def over_udp(world: World, family: socket.AddressFamily) -> Iterator[tuple[UdpServer, socket.socket]]:
    """Yields the server on a real socket, drained by hand, and a client's socket."""
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
    """Returns the parts that do not depend on the rotation of records: id, code, length."""
    return said[:2], said[3] & 15, len(said)


def fuzz(count: int, family: socket.AddressFamily, seed: int) -> int:
    """Returns the growth of memory in KiB after the first tenth. Raises AssertionError."""
    world = cluster(Config(upstreams=("host",)))
    before = 0
    with over_udp(world, family) as (server, client):
        for start in range(0, count, CHUNK):
            packets = queries(min(CHUNK, count - start), seed + start)
            wanted = [said for packet in packets if (said := world.ask(packet)) is not None]
            found = exchange(server, client, packets, len(wanted))
            assert sorted(map(shape, found)) == sorted(map(shape, wanted)), f"chunk's seed {seed + start}"
            assert all(len(said) <= 1232 for said in found), f"chunk's seed {seed + start}"
            for packet in packets:
                world.ask(packet, protocol="tcp")
            world.upstream.asked.clear()  # the test's own memory
            if start <= count // 10:
                before = resident_kib()
        asked = HEADER.pack(1, 0x0100, 1, 0, 0, 0) + question("web.default.svc.cluster.local", "A")
        assert [show(said) for said in exchange(server, client, [asked], 1)] == [["NOERROR", "A 10.96.0.7"]]
    assert world.metrics.panics == 0
    assert len(world.zone.hot) < 500
    return resident_kib() - before


def main(count: int, family: str, seed: int) -> None:
    grown = fuzz(count, FAMILIES[family], seed)
    assert grown < MOST_GROWTH_KIB, f"{grown} KiB"
    sys.stdout.write(f"{count:,} packets over {family}, seed {seed}: memory grew by {grown} KiB\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if sys.argv[3:] else random.SystemRandom().getrandbits(32))
