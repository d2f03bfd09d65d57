"""Incremental planning equals planning from scratch, whatever changed before and in which order."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.core.service.kind import LoadBalancerIngress, LoadBalancerStatus, Service, ServiceStatus
from fairlead.api.discovery.endpointslice.kind import (
    Endpoint,
    EndpointConditions,
    EndpointHints,
    EndpointPort,
    EndpointSlice,
    ForNode,
)
from fairlead.net.family import IPV4, IPV6, Family
from fairlead.net.iptables.fake import FakeIptables
from fairlead.net.nft.fake import FakeNft
from fairlead.net.nft.model import Elements
from fairlead.proxy.iptables import incremental as iptables
from fairlead.proxy.iptables.backend import IptablesBackend
from fairlead.proxy.iptables.plan import View
from fairlead.proxy.iptables.plan import plan_service as plan_iptables
from fairlead.proxy.nftables import incremental as nftables
from fairlead.proxy.nftables.backend import NftablesBackend
from fairlead.proxy.nftables.plan import NOTHING, ServicePlan, plan_service
from fairlead.proxy.nftables.rules import AFFINITY_SLOTS, DISPATCH, ENDPOINTS, TABLE
from fairlead.proxy.planning.backend import Source
from fairlead.proxy.planning.nodes import node_views
from fairlead.service.node import NodeView
from tests.proxy.backends import BOTH, bring, pods, proxier_of
from tests.proxy.objects import port, service, slice_of, sticky

FAMILIES = pytest.mark.parametrize("family", [IPV4, IPV6], ids=lambda family: family.name)
NUMBERS = [EndpointPort(name="a", port=8080, protocol="TCP"), EndpointPort(name="b", port=8081, protocol="TCP")]
SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "internal Local": {"internalTrafficPolicy": "Local"},
    "external Local": {"type": "NodePort", "externalTrafficPolicy": "Local"},
    "node port": {"type": "NodePort"},
    "balanced": {"type": "LoadBalancer", "loadBalancerSourceRanges": ["192.0.2.0/24", "2001:db8::/64"]},
    "sticky": sticky(),
    "sticky Local": {"type": "NodePort", "externalTrafficPolicy": "Local"} | sticky(),
    "headless": {"clusterIP": "None", "clusterIPs": ["None"]},
}
MODES = ("ready", "ending", "some ending", "hinted")


@dataclass(frozen=True)
class Step:
    """One change of a Service: it gets a shape, and one of its slices gets new content."""

    name: str
    shape: str
    """Empty: the Service is deleted."""
    slice: int
    first: int
    count: int
    """Number of endpoints in the slice; 0 deletes the slice."""
    mode: str
    one_port: bool


steps = st.builds(
    Step,
    name=st.sampled_from(["a", "b"]),
    shape=st.sampled_from([*SHAPES, *SHAPES, ""]),
    slice=st.integers(0, 2),
    first=st.integers(0, 90),
    count=st.sampled_from([0, 1, 3, 14, 15, 16, 17, 40, 58, 61, 80]),
    mode=st.sampled_from([*MODES, "ready", "ready", "ready"]),
    one_port=st.booleans(),
)


class Cluster:
    """The Services and slices of one family after the steps. An object that no step changes stays the same object."""

    def __init__(self, family: Family) -> None:
        self.family = family
        self._made: dict[tuple[str, str, bool], Service] = {}
        self.services: dict[str, Service | None] = {}
        self.slices: dict[str, dict[int, EndpointSlice]] = {"a": {}, "b": {}}

    def take(self, step: Step) -> None:
        self.services[step.name] = self._service(step) if step.shape else None
        if step.count:
            self.slices[step.name][step.slice] = self._slice(step)
        else:
            self.slices[step.name].pop(step.slice, None)

    def source(self, name: str) -> Source:
        return Source(self.services.get(name), list(self.slices[name].values()))

    def _service(self, step: Step) -> Service:
        key = step.name, step.shape, step.one_port
        if key not in self._made:
            last = 10 + "ab".index(step.name)
            ips = {"clusterIP": f"10.96.0.{last}", "clusterIPs": [f"10.96.0.{last}", f"fd00:10:96::{last}"]}
            base = 30080 + 10 * "ab".index(step.name)
            ports = [port(80, name="a", nodePort=base), port(81, name="b", nodePort=base + 1)]
            made = service(step.name, ports=ports[: 1 if step.one_port else 2], **(ips | SHAPES[step.shape]))
            points = [LoadBalancerIngress(ip=ip) for ip in (f"172.30.0.{last}", f"fd00:172:30::{last}")]
            made.status = ServiceStatus(loadBalancer=LoadBalancerStatus(ingress=points))
            self._made[key] = made
        return self._made[key]

    def _slice(self, step: Step) -> EndpointSlice:
        found = [self._endpoint(n, step.mode) for n in range(step.first, step.first + step.count)]
        ports = NUMBERS if step.first % 3 else NUMBERS[:1]
        return slice_of(*found, service_name=step.name, ports=ports, addressType=self.family.name)

    def _endpoint(self, n: int, mode: str) -> Endpoint:
        ip = f"10.244.9.{n}" if self.family is IPV4 else f"fd00:10:244::{n + 1:x}"
        gone = mode == "ending" or (mode == "some ending" and n % 3 == 0)
        hints = EndpointHints(forNodes=[ForNode(name=f"node{n % 2 + 1}")]) if mode == "hinted" else None
        state = EndpointConditions(ready=not gone, serving=True, terminating=gone)
        return Endpoint(addresses=[ip], conditions=state, hints=hints, nodeName=f"node{n % 4 + 1}")


def view_of(family: Family) -> NodeView:
    return next(view for view in node_views("node1", BOTH.node_ip(1), BOTH) if view.family is family)


def without_places(elements: Elements) -> Mapping[str, object]:
    """Returns the elements without the assignment of slots: every slot is present, and every endpoint as often."""
    found: dict[str, object] = {}
    for name, held in elements.items():
        if name.removeprefix("node_") not in (ENDPOINTS, AFFINITY_SLOTS):
            found[name] = dict(held)
            continue
        targets = Counter((key.rpartition(" . ")[0], value) for key, value in held.items())
        found[name] = frozenset(held), targets
    return found


@pytest.mark.slow
@FAMILIES
@given(st.lists(steps, max_size=12))
def test_the_elements_of_a_plan_do_not_depend_on_the_plans_before(family: Family, turns: list[Step]) -> None:
    cluster, planner, view = Cluster(family), nftables.Planner(), view_of(family)
    known: dict[str, ServicePlan] = {}
    for step in turns:
        cluster.take(step)
        source = cluster.source(step.name)
        planned = planner.plan(step.name, source, node=view)
        anew = plan_service(source.service, source.slices, node=view)
        assert without_places(planned.plan.elements) == without_places(anew.elements)
        assert (planned.plan.chains, planned.plan.no_local) == (anew.chains, anew.no_local)
        before = known.get(step.name, NOTHING)
        if planned.since is not None:
            assert planned.since is before
            assert set(planned.slots) >= differing(before.elements, planned.plan.elements)
        known[step.name] = planned.plan


def differing(old: Elements, new: Elements) -> set[tuple[str, str]]:
    return {
        (name, key)
        for name in old.keys() | new.keys()
        for key in old.get(name, {}).keys() | new.get(name, {}).keys()
        if old.get(name, {}).get(key) != new.get(name, {}).get(key)
    }


@pytest.mark.slow
@FAMILIES
@given(st.lists(steps, max_size=12))
def test_the_chains_of_a_plan_do_not_depend_on_the_plans_before(family: Family, turns: list[Step]) -> None:
    cluster, planner, view = Cluster(family), iptables.Planner(), View(view_of(family), proxier_of(family))
    for step in turns:
        cluster.take(step)
        source = cluster.source(step.name)
        planned = planner.plan(step.name, source, view=view)
        anew = plan_iptables(source.service, source.slices, view=view)
        assert (planned.lines, planned.udp, planned.no_local) == (anew.lines, anew.udp, anew.no_local)
        assert {name: sorted_lines(chain.rules) for name, chain in planned.chains.items()} == {
            name: sorted_lines(chain.rules) for name, chain in anew.chains.items()
        }
        if all(len(chain) < iptables.MANY for chain in anew.chains.values()):
            assert planned == anew


def sorted_lines(lines: Sequence[str]) -> list[str]:
    """Returns the lines without their order, and without the probabilities that follow from the order."""
    return sorted(re.sub(r" --probability \S+", "", line).replace(" -m statistic --mode random", "") for line in lines)


@pytest.mark.slow
@FAMILIES
@given(st.lists(steps, max_size=8))
def test_nftables_holds_what_it_would_hold_from_scratch(family: Family, turns: list[Step]) -> None:
    cluster, view = Cluster(family), view_of(family)

    def held(backend: NftablesBackend, nft: FakeNft) -> Mapping[str, object]:
        found = nft.read(TABLE, family.table)
        assert found is not None
        return without_places({name: some for name, some in found.elements.items() if name != DISPATCH})

    nft, fresh = FakeNft(), FakeNft()
    backend, scratch = NftablesBackend(nft, proxier_of(family)), NftablesBackend(fresh, proxier_of(family))
    bring(backend, {}, view, whole=True)
    for step in turns:
        cluster.take(step)
        bring(backend, {step.name: cluster.source(step.name)}, view)
    bring(scratch, {name: cluster.source(name) for name in "ab"}, view, whole=True)
    assert held(backend, nft) == held(scratch, fresh)


@pytest.mark.slow
@FAMILIES
@given(st.lists(steps, max_size=8))
def test_iptables_holds_what_it_would_hold_from_scratch(family: Family, turns: list[Step]) -> None:
    cluster, view = Cluster(family), view_of(family)
    made = [FakeIptables(family.table) for _ in range(2)]
    backend, scratch = (IptablesBackend(tables, proxier_of(family), pods=pods(family)) for tables in made)
    bring(backend, {}, view, whole=True)
    for step in turns:
        cluster.take(step)
        bring(backend, {step.name: cluster.source(step.name)}, view)
    bring(scratch, {name: cluster.source(name) for name in "ab"}, view, whole=True)
    one, other = (
        {(table, name): sorted_lines(lines) for table, saved in found.items() for name, lines in saved.chains.items()}
        for found in (asyncio.run(tables.save()) for tables in made)
    )
    assert one == other


def test_a_change_of_one_endpoint_among_many_is_detected() -> None:
    planner, made = nftables.Planner(), service()
    kept = slice_of(*(f"10.244.2.{n}" for n in range(2, 82)), name="web-1")
    one, other = (slice_of("10.244.3.2", ip, name="web-2") for ip in ("10.244.3.3", "10.244.3.4"))
    before = planner.plan("web", Source(made, [kept, one]), node=view_of(IPV4))
    after = planner.plan("web", Source(made, [kept, other]), node=view_of(IPV4))
    assert before.since is None
    assert after.since is before.plan
    assert set(after.slots) == {(ENDPOINTS, "tcp . 10.96.0.10 . 80 . 0x00000051")}
