"""Malformed packets and floods of names: the server goes on, and memory stays within its bounds."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

from fairlead.dns.config import Config
from fairlead.dns.protocol.message import parse_reply
from fairlead.dns.protocol.wire import HEADER, encode_name
from tests.cluster.support import ROOT
from tests.dns.fuzz import FAMILIES, MOST_GROWTH_KIB, resident_kib
from tests.dns.test_answers import cluster
from tests.dns.world import World

FUZZ = os.environ.get("FAIRLEAD_DNS_FUZZ", "20000")
"""Number of mutated packets; the long run has 1,000,000."""


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_mutated_queries_never_stop_it_and_cost_no_memory(family: str) -> None:
    """Runs in a separate process, so that no other test changes the measured memory."""
    seed = str(random.SystemRandom().getrandbits(32))
    command = [sys.executable, "-m", "tests.dns.fuzz", FUZZ, family, seed]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, f"seed {seed}: {done.stderr}"


def test_a_flood_of_random_names_leaves_nothing_behind() -> None:
    world = cluster()
    before, memory = len(world.zone.hot), resident_kib()
    for n in range(5000):
        world.raw(f"r{n}.default.svc.cluster.local")
        world.raw(f"r{n}.web.default.svc.cluster.local", "SRV")
    assert len(world.zone.hot) == before
    assert len(world.metrics.requests) < 5
    assert resident_kib() - memory < MOST_GROWTH_KIB


@pytest.mark.slow
def test_a_flood_of_pod_records_stays_within_the_bound() -> None:
    world = cluster()
    for n in range(40_000):
        world.raw(f"10-{n >> 8 & 255}-{n & 255}-1.default.pod.cluster.local")
    assert len(world.zone.hot) < 17_000


@pytest.mark.parametrize("body", [30, 4000], ids=["short answers", "long answers"])
def test_a_flood_of_names_outside_stays_within_the_cache_whatever_upstream_says(body: int) -> None:
    world = World(config=Config(upstreams=("host",)))
    size, rng = 100, random.Random(4)  # size of World's cache
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
