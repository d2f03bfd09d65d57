"""Traces of random worlds find what the Services' fields demand, and what a kernel's rules and packets do.

FAIRLEAD_TEST_TRACE_WORLDS sets the number of worlds for the plan (default 1000); a kernel gets a twentieth of them.
"""

from __future__ import annotations

import os
import random
from functools import partial
from ipaddress import ip_address, ip_network

import pytest

from fairlead.net.family import IPV4, IPV6, Family
from fairlead.net.netlink.model import add_route
from fairlead.net.netlink.run import Netlink
from fairlead.proxy.inspection.tracing import differences
from fairlead.proxy.inspection.walk import End
from fairlead.proxy.planning.backend import Source
from tests.net.sandbox import in_sandbox
from tests.proxy.backends import FAKES, IPTABLES, NFTABLES, Kind, bring, needing
from tests.proxy.inspected import ends_of, view, world_of
from tests.proxy.paths import BALANCED, NODES, Probe
from tests.proxy.test_paths import Real, at
from tests.proxy.test_trace_contract import read_back, unseen
from tests.proxy.worlds import OUTER, Answer, RandomWorld, expected, hairpin, random_world

WORLDS = int(os.environ.get("FAIRLEAD_TEST_TRACE_WORLDS", "1000"))
BATCHES = 10
IN_SANDBOX = 5
"""Worlds for each batch through a kernel: as many as end long before the sandbox's time limit."""
SENT = 3
"""Packets really sent in each world."""


def fault(found: list[End], answer: Answer, probe: Probe, family: Family) -> str:
    kinds = {end.kind for end in found}
    if kinds != {answer.kind} or abs(sum(end.probability for end in found) - 1) > 1e-6:
        return f"{probe}: {answer} instead of {[(e.kind, e.address, e.reason) for e in found]}"
    if answer.kind != "pod":
        return ""
    if {end.address for end in found} != answer.addresses:
        return f"{probe}: {sorted(answer.addresses)} instead of {[e.address for e in found]}"
    for end in found:
        kept = answer.kept and not hairpin(probe, end.address, family)
        if kept == bool(end.masqueraded_by) or abs(end.probability - 1 / len(answer.addresses)) > 1e-6:
            return f"{probe}: {end.address} masqueraded by {end.masqueraded_by!r}, kept={kept}, {end.probability}"
    return ""


@pytest.mark.slow
@FAKES
@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_trace_finds_what_the_services_of_a_random_world_demand(batch: int, kind: Kind) -> None:
    for number in range(WORLDS // BATCHES):
        seed = batch * WORLDS + number
        family = IPV6 if seed % 2 else IPV4
        made = random_world(random.Random(seed), family)
        world = world_of(made.services, made.slices, family, kind)
        for probe in made.probes:
            answer = expected(made, probe, family, kind)
            if answer is not None:
                said = fault(ends_of(world, probe, family, "plan"), answer, probe, family)
                assert not said, f"seed {seed}: {said}"


def _in_kernel(first: int, count: int, family: Family, kind: Kind) -> list[str]:
    real, wrong = Real(family=family, kind=kind), []
    before: set[str] = set()
    with Netlink() as netlink:
        gateway = ip_address(at(NODES["node1"], family))
        routes = [ip_network(at(ip, family)) for ip in OUTER if ip != BALANCED]
        netlink.execute([add_route(route, gateway=gateway) for route in routes])
    for seed in range(first, first + count):
        rng = random.Random(seed)
        made = random_world(rng, family, protocols=2)
        _put(real, made, before, family)
        world = world_of(made.services, made.slices, family, kind, read_back(real, family, kind))
        wrong += [f"seed {seed}: {text}" for text in _compare(rng, real, made, world, family)]
    return wrong


def _put(real: Real, made: RandomWorld, before: set[str], family: Family) -> None:
    sources = {name: Source(None, []) for name in before}
    for one in made.services:
        slices = [s for s in made.slices if s.metadata.name.partition("-")[0] == one.metadata.name]
        sources[f"default/{one.metadata.name}"] = Source(one, slices)
    before.clear()
    before.update(f"default/{one.metadata.name}" for one in made.services)
    for name, backend in real.backends.items():
        bring(backend, sources, view(name, family), whole=True)


def _compare(rng: random.Random, real: Real, made: RandomWorld, world: object, family: Family) -> list[str]:
    wrong = []
    sendable = []
    for probe in made.probes:
        plan, kernel = (ends_of(world, probe, family, source) for source in ("plan", "kernel"))  # type: ignore[arg-type]
        wrong += [f"{probe}: {text}" for text in differences(plan, kernel)]
        if not any(end.kind in ("outside", "unknown") for end in kernel):
            sendable.append((probe, kernel))
    for probe, kernel in rng.sample(sendable, min(SENT, len(sendable))):
        dropped = {end.kind for end in kernel} == {"dropped"}
        asked = Probe(probe.who, probe.ip, probe.port, "dropped" if dropped else "", protocol=probe.protocol)
        if said := unseen(real.ask(asked), probe, kernel, family):
            wrong.append(said)
    return wrong


@pytest.mark.kernel
@pytest.mark.slow
@pytest.mark.parametrize("kind", [needing(NFTABLES), needing(IPTABLES)])
@pytest.mark.parametrize("batch", range(max(1, WORLDS // 20 // IN_SANDBOX // 2)))
def test_in_random_worlds_the_kernels_rules_and_real_packets_agree_with_the_plan(batch: int, kind: Kind) -> None:
    family = IPV6 if batch % 2 else IPV4
    work = partial(_in_kernel, 7_000_000 + batch * IN_SANDBOX, IN_SANDBOX, family, kind)
    assert in_sandbox(work, ordinary=True) == []
