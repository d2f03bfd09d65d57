"""The choice of the announcing node, on a fabric in memory and an event loop whose clock jumps."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from fairlead.api.core.node.kind import Node, NodeCondition, NodeStatus
from fairlead.api.core.service.kind import LoadBalancerIngress, Service
from fairlead.api.discovery.endpointslice.kind import Endpoint, EndpointConditions, EndpointSlice
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.clock import FakeClock
from fairlead.base.log import SILENT, Log
from fairlead.loadbalancer.announcer.fake import FakeFabric, FakeLeg
from fairlead.loadbalancer.announcer.loop import LIFETIME_S, LONG_LIFETIME_S, Announcer
from fairlead.loadbalancer.announcer.model import Call, heartbeat, parse_heartbeat
from fairlead.loadbalancer.announcer.plan import (
    FABRIC,
    DesiredAddress,
    Link,
    announcers,
    best,
    desired_addresses,
    may_announce,
)
from fairlead.runtime.fake import run_jumping
from fairlead.service.wellknown import HEADLESS_LABEL, PROXY_NAME_LABEL, SERVICE_NAME_LABEL
from tests.loadbalancer.world import balanced

A, B = "172.30.0.200", "172.30.0.201"
NODES = ("node1", "node2", "node3")


def node(name: str, ready: str = "True", **meta: Any) -> Node:
    conditions = [NodeCondition(type="Ready", status=ready)]
    return Node(metadata=ObjectMeta(name=name, **meta), status=NodeStatus(conditions=conditions))


def with_address(address: str = A, name: str = "web", **spec: Any) -> Service:
    service = balanced(name, **spec)
    service.status.loadBalancer.ingress = [LoadBalancerIngress(ip=address, ipMode="VIP")]
    return service


def serving(*nodes: str, name: str = "web", ready: bool | None = True) -> EndpointSlice:
    return EndpointSlice(
        metadata=ObjectMeta(name=f"{name}-1", namespace="default", labels={SERVICE_NAME_LABEL: name}),
        addressType="IPv4",
        endpoints=[
            Endpoint(addresses=["10.244.1.2"], nodeName=n, conditions=EndpointConditions(ready=ready)) for n in nodes
        ],
    )


class Cluster:
    def __init__(
        self,
        fabric: FakeFabric,
        group: asyncio.TaskGroup,
        names: tuple[str, ...] = NODES,
        around: Link = FABRIC,
    ) -> None:
        self.legs: dict[str, FakeLeg] = {name: fabric.leg() for name in names}
        self.announcers = {
            name: Announcer(node_name=name, segment=leg, link=around, log=SILENT) for name, leg in self.legs.items()
        }
        if around.is_fabric:
            for name in names:
                self.node(node(name))
        self.tasks = {name: group.create_task(announcer.run()) for name, announcer in self.announcers.items()}

    def node(self, new: Node) -> None:
        for announcer in self.announcers.values():
            announcer.node_changed(new.metadata.name, None, new)

    def service(self, new: Service) -> None:
        for announcer in self.announcers.values():
            announcer.service_changed(f"default/{new.metadata.name}", None, new)

    def slice(self, new: EndpointSlice) -> None:
        for announcer in self.announcers.values():
            announcer.slice_changed(f"default/{new.metadata.name}", None, new)

    def where(self, address: str = A) -> list[str]:
        return [name for name, leg in self.legs.items() if address in leg.addresses]


def story(body: Callable[[Cluster], Awaitable[None]], names: tuple[str, ...] = NODES, around: Link = FABRIC) -> None:
    async def go() -> None:
        fabric = FakeFabric()
        async with asyncio.TaskGroup() as group:
            cluster = Cluster(fabric, group, names, around)
            await body(cluster)
            for task in cluster.tasks.values():
                task.cancel()
        fabric.close()

    run_jumping(go())


async def soon() -> None:
    await asyncio.sleep(0.01)


def test_exactly_one_node_has_an_address_at_once_and_announces_it() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.service(with_address())
        await soon()
        (winner,) = cluster.where()
        assert winner == best(A, NODES)
        assert cluster.legs[winner].announced == [A]
        await asyncio.sleep(60)
        assert cluster.where() == [winner]

    story(body)


@pytest.mark.parametrize("label", [HEADLESS_LABEL, PROXY_NAME_LABEL])
def test_no_node_answers_for_a_service_whose_traffic_nodes_do_not_carry(label: str) -> None:
    async def body(cluster: Cluster) -> None:
        made = with_address(externalTrafficPolicy="Local")
        cluster.service(made)
        cluster.slice(serving("node2"))
        await soon()
        assert cluster.where() == ["node2"]
        labelled = serving("node2")
        labelled.metadata.labels |= {label: ""}
        cluster.slice(labelled)
        await soon()
        assert cluster.where() == []
        cluster.slice(serving("node2"))
        await soon()
        assert cluster.where() == ["node2"]
        other = with_address(externalTrafficPolicy="Local")
        other.metadata.labels = {label: ""}
        cluster.service(other)
        await soon()
        assert cluster.where() == []
        cluster.service(made)
        cluster.slice(serving("node2"))
        await soon()
        assert cluster.where() == ["node2"]

    story(body)


def test_when_its_node_falls_silent_another_one_has_it_within_two_seconds_and_tells_it_again() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.service(with_address())
        await asyncio.sleep(10)
        (first,) = cluster.where()
        cluster.legs[first].cut = True
        await asyncio.sleep(1.7)
        left = [name for name in NODES if name != first]
        second = best(A, left)
        assert second in cluster.where()
        await asyncio.sleep(LIFETIME_S)
        assert cluster.where() == [second], "the hung node's kernel still has it"
        assert cluster.legs[second].announced.count(A) > 3
        cluster.legs[first].cut = False
        told = cluster.legs[first].announced.count(A)
        await asyncio.sleep(1)
        assert cluster.where() == [first]
        assert cluster.legs[first].announced.count(A) > told

    story(body)


def test_a_node_that_was_cut_off_and_kept_its_addresses_announces_them_again() -> None:
    """The cut node saw the others as dead and kept its addresses; the neighbour tables still point to the others."""

    async def body(cluster: Cluster) -> None:
        cluster.service(with_address())
        await asyncio.sleep(10)
        (first,) = cluster.where()
        cluster.legs[first].deaf = True
        await asyncio.sleep(5)
        assert first in cluster.where()
        told = cluster.legs[first].announced.count(A)
        cluster.legs[first].deaf = False
        await asyncio.sleep(1)
        assert cluster.where() == [first]
        assert cluster.legs[first].announced.count(A) > told

    story(body)


def test_a_node_that_was_stopped_announces_its_addresses_again() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.service(with_address())
        await asyncio.sleep(10)
        (winner,) = cluster.where()
        before = len(cluster.legs[winner].announced)
        loop = asyncio.get_running_loop()
        loop._at += 5  # type: ignore[attr-defined]
        await asyncio.sleep(1)
        assert len(cluster.legs[winner].announced) > before

    story(body)


def test_a_node_that_is_not_ready_or_excluded_hands_over_at_once() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.service(with_address())
        await soon()
        (first,) = cluster.where()
        cluster.node(node(first, ready="Unknown"))
        await soon()
        (second,) = cluster.where()
        assert second != first
        cluster.node(node(second, labels={"node.kubernetes.io/exclude-from-external-load-balancers": ""}))
        await soon()
        (third,) = cluster.where()
        assert third not in (first, second)

    story(body)


def test_the_local_policy_uses_nodes_with_a_ready_pod() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.service(with_address(externalTrafficPolicy="Local"))
        await soon()
        assert cluster.where() == []
        for name in NODES:
            cluster.slice(serving(name))
            await soon()
            assert cluster.where() == [name]
        cluster.slice(serving("node3", ready=False))
        await soon()
        assert cluster.where() == []
        cluster.service(with_address())
        await soon()
        assert len(cluster.where()) == 1

    story(body)


@pytest.mark.slow
def test_a_service_that_loses_its_address_is_dropped_and_then_nothing_is_sent() -> None:
    async def body(cluster: Cluster) -> None:
        await asyncio.sleep(10)
        assert [leg.calls for leg in cluster.legs.values()] == [0, 0, 0]
        cluster.service(with_address())
        await asyncio.sleep(10)
        cluster.service(balanced())
        await asyncio.sleep(1)
        assert cluster.where() == []
        calls = [leg.calls for leg in cluster.legs.values()]
        assert min(calls) > 10
        await asyncio.sleep(100)
        assert [leg.calls for leg in cluster.legs.values()] == calls

    story(body)


def test_a_single_node_sends_no_calls_and_keeps_the_address() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.service(with_address())
        await asyncio.sleep(5 * LONG_LIFETIME_S)
        assert cluster.where() == ["node1"]
        assert cluster.legs["node1"].calls == 0

    story(body, ("node1",))


def test_an_agent_that_is_started_again_in_time_keeps_its_addresses() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.service(with_address())
        await asyncio.sleep(10)
        (winner,) = cluster.where()
        cluster.legs[winner].cut = True
        await asyncio.sleep(0.5)
        cluster.legs[winner].cut = False
        for _ in range(50):
            await asyncio.sleep(0.1)
            assert cluster.where() == [winner]

    story(body)


def test_an_address_that_two_services_share_goes_where_both_are_served() -> None:
    both = [
        DesiredAddress(A, frozenset({"node1", "node2"})),
        DesiredAddress(A),
        DesiredAddress(A, frozenset({"node2", "node3"})),
    ]
    assert announcers(both, NODES) == {A: "node2"}
    assert announcers([DesiredAddress(A, frozenset({"node1"})), DesiredAddress(A, frozenset({"node2"}))], NODES) == {}


def test_addresses_are_spread_and_only_those_of_a_dead_node_move() -> None:
    wanted = [DesiredAddress(f"172.30.0.{i}") for i in range(200, 251)]
    before = announcers(wanted, NODES)
    assert min(Counter(before.values()).values()) >= 8
    after = announcers(wanted, NODES[:2])
    assert {a for a in before if before[a] != after[a]} == {a for a in before if before[a] == "node3"}


def test_addresses_of_proxies_and_of_other_types_are_not_answered_for() -> None:
    proxied = with_address()
    proxied.status.loadBalancer.ingress[0].ipMode = "Proxy"
    assert desired_addresses(proxied, []) == ()
    assert desired_addresses(with_address(type="ClusterIP"), []) == ()


def test_a_node_without_a_network_may_not_announce() -> None:
    one = node("node1")
    assert may_announce(one)
    one.status.conditions.append(NodeCondition(type="NetworkUnavailable", status="True"))
    assert not may_announce(one)


MACHINES = Link((ip_network("172.30.0.0/24"),), frozenset({B}))


def test_machines_need_no_node_objects_to_announce() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.service(with_address())
        await asyncio.sleep(1)
        assert cluster.where() == [best(A, NODES)]
        first = [leg.announced[:1] for leg in cluster.legs.values()]
        assert first.count([A]) == 1, "a node announced before it had listened"
        cluster.legs[best(A, NODES)].cut = True
        await asyncio.sleep(1.7)
        left = [name for name in NODES if name != best(A, NODES)]
        assert best(A, left) in cluster.where()

    story(body, around=MACHINES)


def test_a_joining_machine_takes_over_an_address_without_a_gap() -> None:
    late = best(A, NODES)

    async def body(cluster: Cluster) -> None:
        cluster.legs[late].deaf = True
        early = [name for name in NODES if name != late]
        for name in early:
            cluster.announcers[name].service_changed("default/web", None, with_address())
        await asyncio.sleep(5)
        assert cluster.where() == [best(A, early)]
        cluster.legs[late].deaf = False
        cluster.announcers[late].service_changed("default/web", None, with_address())
        for _ in range(300):
            assert cluster.where()
            await asyncio.sleep(0.01)
        assert cluster.where() == [late]

    story(body, around=MACHINES)


def test_a_machine_that_knows_what_it_had_takes_it_at_once() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.service(with_address())
        await soon()
        assert best(A, NODES) in cluster.where()

    story(body, around=replace(MACHINES, existing=frozenset({A})))


def test_a_machine_with_a_kubelet_has_to_be_ready() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.service(with_address())
        await asyncio.sleep(1)
        silent = node(best(A, NODES), ready="Unknown")
        silent.status.conditions[0].reason = "NodeStatusNeverUpdated"
        for one in (silent, Node(metadata=silent.metadata), node("elsewhere")):
            cluster.node(one)
            await asyncio.sleep(1)
            assert cluster.where() == [best(A, NODES)], "it has no kubelet that could say how it is"
        cluster.node(node(best(A, NODES), ready="Unknown"))
        await asyncio.sleep(1)
        assert cluster.where() == [best(A, [name for name in NODES if name != best(A, NODES)])]

    story(body, around=MACHINES)


def test_a_machine_never_announces_its_own_addresses_or_those_of_other_networks() -> None:
    async def body(cluster: Cluster) -> None:
        cluster.service(with_address(B, "own"))
        cluster.service(with_address("192.0.2.1", "far"))
        cluster.service(with_address("fd00::1", "six"))
        await asyncio.sleep(60)
        assert [leg.calls for leg in cluster.legs.values()] == [0, 0, 0]
        assert not any(cluster.where(address) for address in (B, "192.0.2.1", "fd00::1"))

    story(body, around=MACHINES)


def test_clusters_on_one_network_do_not_hear_each_other() -> None:
    for call in (Call("node1"), Call("node1", joins=True)):
        frame = heartbeat(b"\2\0\0\0\0\1", call, "one")
        assert parse_heartbeat(frame, "one") == call
        assert parse_heartbeat(frame + bytes(20), "one") == call
        assert parse_heartbeat(frame, "two") is None
        assert parse_heartbeat(frame) is None
        assert parse_heartbeat(heartbeat(b"\2\0\0\0\0\1", call)) == call
        assert [parse_heartbeat(frame[:size], "one") for size in range(len(frame))] == [None] * len(frame)


def test_a_machine_says_once_why_it_announces_nothing_and_when_it_may_again() -> None:
    lines: list[str] = []
    log = Log("announcer", clock=FakeClock(), write=lines.append)
    with closing(FakeFabric()) as fabric:
        machine = Announcer(node_name="node1", segment=fabric.leg(), link=MACHINES, log=log)
        for name, ready in (("node1", True), ("node2", False), ("node1", False), ("node1", False), ("node1", True)):
            one = node(name)
            one.status.conditions = [NodeCondition(type="Ready", status="True" if ready else "False")]
            machine.node_changed(name, None, one)
    said = [line.split("announcer ", 1)[1].strip() for line in lines]
    assert said == [
        'announces no address node=node1 reason="its Node is NotReady"',
        "may announce addresses again node=node1",
    ]
