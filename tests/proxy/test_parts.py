"""A change that is too large for one transaction is applied in parts: between two parts no Service is half-changed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.net.nft.fake import FakeNft
from fairlead.net.nft.trace import Tracer
from fairlead.net.trace import Packet, RandomDice
from fairlead.proxy.nftables.incremental import Planner
from fairlead.proxy.nftables.mirror import TableMirror
from fairlead.proxy.nftables.rules import TABLE, fixed_table
from fairlead.proxy.planning.backend import Source
from fairlead.proxy.planning.proxierconfig import cluster_proxier
from tests.proxy.objects import NETWORK, node
from tests.proxy.test_iptables import ENDS, SHAPES, shaped

SERVED = st.tuples(st.sampled_from([*SHAPES]), st.sampled_from([1, 2, 3, 4]))
CLIENTS = ("10.244.1.9", "10.244.1.8", "10.244.1.7")


@pytest.mark.slow
@given(st.lists(SERVED, min_size=2, max_size=6), st.integers(1, 9), st.booleans())
def test_between_two_parts_of_a_change_clients_reach_an_endpoint_of_before_or_after(
    turns: list[tuple[str, int]], limit: int, restart: bool
) -> None:
    nft, rng = FakeNft(), random.Random(5)
    mirror = TableMirror(fixed_table(cluster_proxier(NETWORK)))
    planner = Planner()
    before: set[str] = set()
    for shape, ends in turns:
        # With an internal policy of Local, clients of the node reach only the endpoints on the node.
        local = SHAPES[shape].get("internalTrafficPolicy") == "Local"
        ready = [e for piece in ENDS[ends] for e in piece.endpoints if not local or e.nodeName in (None, "node1")]
        after = {f"{endpoint.addresses[0]}:8080" for endpoint in ready}
        planner = Planner() if restart else planner
        plan = planner.plan("default/a", Source(shaped("a", shape), ENDS[ends]), node=node())
        if restart:
            mirror = TableMirror(fixed_table(cluster_proxier(NETWORK)))
            mirror.update({"default/a": plan})
            mirror.observe(nft.read(TABLE))
            transaction = mirror.resync()
        else:
            transaction = mirror.update({"default/a": plan})
        for part in transaction.split(limit):
            nft.execute(part)
            mirror.done(part)
            if before and after:
                tracer = Tracer(nft.tables[TABLE], local=node().addresses, dice=RandomDice(rng))
                for client in CLIENTS * 2:
                    trace = tracer.trace(Packet(client, "10.96.0.97", 80, link="veth9"))
                    assert (trace.fate, trace.target in before | after) == ("sent", True), f"{trace} after {part}"
        before = after
