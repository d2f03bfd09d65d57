"""A standalone proxy follows its Node and the ranges of cluster IPs, against a fake API and a fake kernel."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from fairlead.api.core.node.kind import NODE, Node, NodeAddress, NodeSpec, NodeStatus
from fairlead.api.core.service.kind import SERVICE
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE
from fairlead.api.meta.types import ObjectMeta
from fairlead.api.networking.servicecidr.kind import SERVICE_CIDR, ServiceCIDR, ServiceCIDRSpec
from fairlead.base.clock import FakeClock
from fairlead.base.ids import RandomIds
from fairlead.base.log import SILENT
from fairlead.machinery.values.status import StatusError, not_found
from fairlead.net.nft.fake import FakeNft
from fairlead.proxy.nftables.rules import TABLE
from fairlead.proxy.server.alone import node_views
from fairlead.proxy.server.standalone import Kernel, run
from fairlead.proxy.settings.config import ProxyConfig
from fairlead.proxy.sync.modes import nftables_only
from fairlead.runtime.fake import FakeClient, run_jumping
from fairlead.service.wellknown import ZONE_LABEL
from tests.proxy.objects import endpoint, service, slice_of

NOWHERE = ProxyConfig(healthz=("127.0.0.1", 0), metrics=("127.0.0.1", 0))
"""Any free ports: the served pages are tested elsewhere."""


def node(*addresses: str, pods: tuple[str, ...] = ("10.244.1.0/24",), zone: str = "") -> Node:
    return Node(
        metadata=ObjectMeta(name="worker", labels={ZONE_LABEL: zone} if zone else {}),
        spec=NodeSpec(podCIDRs=list(pods)),
        status=NodeStatus(addresses=[NodeAddress(type="InternalIP", address=ip) for ip in addresses]),
    )


@dataclass
class World:
    api: FakeClient
    nft: FakeNft

    def rules(self, chain: str, table: str = TABLE) -> str:
        return "; ".join(self.nft.tables[table].chains[chain].rules)

    async def put(self, wanted: Node) -> None:
        held = await self.api.get(NODE, "worker")
        held.spec, held.status, held.metadata.labels = wanted.spec, wanted.status, wanted.metadata.labels
        await self.api.update(NODE, held)
        held = await self.api.get(NODE, "worker")
        held.status = wanted.status
        with contextlib.suppress(StatusError):
            await self.api.update(NODE, held, subresource="status")
        await asyncio.sleep(10)


def scenario(body: Callable[[World], Awaitable[None]], config: ProxyConfig = NOWHERE) -> None:
    async def go() -> None:
        clock = FakeClock()
        at = World(FakeClient(clock=clock, ids=RandomIds(random.Random(1))), FakeNft())
        kernel = Kernel(nftables_only(at.nft), at.nft, lambda _: None)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(run(at.api, "worker", config, kernel=kernel, clock=clock, log=SILENT))
            await at.api.create(SERVICE, service())
            await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
            await asyncio.sleep(5)
            await body(at)
            task.cancel()

    run_jumping(go())


def test_it_waits_for_the_node_and_its_address_and_then_tells_pods_by_its_range() -> None:
    async def body(at: World) -> None:
        assert at.nft.tables == {}
        await at.api.create(NODE, node())
        await asyncio.sleep(5)
        assert at.nft.tables == {}
        await at.put(node("192.168.7.9"))
        assert at.nft.tables[TABLE].elements["services"]
        assert "ip saddr != { 10.244.1.0/24 } meta mark set" in at.rules("prerouting")
        await at.put(node("192.168.7.9", pods=("10.244.9.0/24",)))
        assert "ip saddr != { 10.244.9.0/24 } meta mark set" in at.rules("prerouting")
        assert at.nft.tables[TABLE].elements["services"]

    scenario(body)


def test_without_ranges_of_cluster_ips_nothing_is_refused_there_and_clients_from_outside_are_masqueraded() -> None:
    async def body(at: World) -> None:
        await at.api.create(NODE, node("192.168.7.9"))
        await asyncio.sleep(10)
        assert "goto choose_masqueraded" in at.rules("prerouting")
        assert "refuse_service" not in at.rules("refuse_local").partition("balanced")[0]
        made = ServiceCIDR(metadata=ObjectMeta(name="kubernetes"), spec=ServiceCIDRSpec(cidrs=["10.96.0.0/12"]))
        await at.api.create(SERVICE_CIDR, made)
        await asyncio.sleep(10)
        assert "ip daddr 10.96.0.0/12 goto refuse_service" in at.rules("refuse_local")
        assert "ip daddr 10.96.0.0/12 ct mark set" in at.rules("prerouting")
        await at.api.delete(SERVICE_CIDR, "kubernetes")
        await asyncio.sleep(10)
        assert "10.96.0.0/12" not in at.rules("prerouting")

    scenario(body)


def test_a_node_that_gets_another_family_has_rules_of_both() -> None:
    async def body(at: World) -> None:
        await at.api.create(NODE, node("192.168.7.9"))
        await asyncio.sleep(10)
        assert set(at.nft.tables) == {TABLE}
        await at.put(node("192.168.7.9", "fd00::9", pods=("10.244.1.0/24", "fd00:1::/64")))
        assert set(at.nft.tables) == {TABLE, f"ip6 {TABLE}"}
        assert "ip6 saddr != { fd00:1::/64 } meta mark set" in at.rules("prerouting", f"ip6 {TABLE}")

    scenario(body)


def test_a_node_that_is_gone_leaves_the_rules_as_they_are() -> None:
    async def body(at: World) -> None:
        await at.api.create(NODE, node("192.168.7.9"))
        await asyncio.sleep(10)
        await at.api.delete(NODE, "worker")
        await asyncio.sleep(10)
        await at.api.create(SERVICE, service("more", "10.96.0.11"))
        await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2", service_name="more"))
        await asyncio.sleep(5)
        assert len(at.nft.tables[TABLE].elements["services"]) == 2

    scenario(body)


def test_the_zone_counts_for_hints() -> None:
    found = node_views(node("10.0.0.1", zone="north"), ProxyConfig())
    assert [view.zone for view in found] == ["north"]


@pytest.mark.parametrize(
    ("addresses", "given", "expected"),
    [
        (("10.0.0.1", "10.0.0.2"), "", ["10.0.0.1"]),
        (("10.0.0.1", "10.0.0.2"), "10.0.0.2", ["10.0.0.2"]),
        (("fd00::1", "10.0.0.1"), "", ["10.0.0.1", "fd00::1"]),
        (("worker.example.org", "10.0.0.1"), "", ["10.0.0.1"]),
        ((), "10.0.0.7", ["10.0.0.7"]),
        ((), "", []),
    ],
)
def test_a_nodes_addresses_are_the_first_of_each_family(
    addresses: tuple[str, ...], given: str, expected: list[str]
) -> None:
    views = node_views(node(*addresses), ProxyConfig(node_ip=given))
    assert [str(view.ip) for view in views] == expected


def test_a_server_that_knows_no_ranges_is_one_of_before() -> None:
    async def go() -> None:
        clock = FakeClock()
        api = FakeClient(clock=clock, ids=RandomIds(random.Random(1)))
        listing = api.list

        async def without(kind, *more, **others):  # type: ignore[no-untyped-def]
            if kind is SERVICE_CIDR:
                raise not_found("servicecidrs", "networking.k8s.io", "")
            return await listing(kind, *more, **others)

        api.list = without  # type: ignore[method-assign]
        nft = FakeNft()
        kernel = Kernel(nftables_only(nft), nft, lambda _: None)
        await api.create(NODE, node("192.168.7.9"))
        await api.create(SERVICE, service())
        await api.create(ENDPOINT_SLICE, slice_of(endpoint("10.244.1.2")))
        async with asyncio.TaskGroup() as group:
            task = group.create_task(run(api, "worker", NOWHERE, kernel=kernel, clock=clock, log=SILENT))
            await asyncio.sleep(10)
            assert nft.tables[TABLE].elements["services"]
            task.cancel()

    run_jumping(go())
