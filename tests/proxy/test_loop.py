"""The proxy against a fake API and a fake kernel: minimal changes, recovery from errors, takeover of tables."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.core.service.kind import SERVICE
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE, EndpointPort, EndpointSlice
from fairlead.base.clock import FakeClock
from fairlead.base.ids import RandomIds
from fairlead.base.log import SILENT
from fairlead.base.tasks import run_all
from fairlead.machinery.kinds.kind import Kind
from fairlead.net.conntrack.model import Flow
from fairlead.net.nft.fake import FakeNft
from fairlead.net.nft.model import ElementChange, Missing
from fairlead.proxy.nftables.incremental import Planned
from fairlead.proxy.nftables.mirror import TableMirror
from fairlead.proxy.nftables.plan import desired, plan_service
from fairlead.proxy.nftables.rules import TABLE, fixed_table
from fairlead.proxy.planning.proxierconfig import cluster_proxier
from fairlead.proxy.sync.loop import Proxy
from fairlead.runtime.fake import FakeClient, run_jumping
from fairlead.runtime.informer import InformerSet
from fairlead.service.wellknown import HEADLESS_LABEL, PROXY_NAME_LABEL
from tests.proxy.fakes import nftables_proxy
from tests.proxy.objects import NETWORK, endpoint, node, node_port_service, port, service, slice_of, sticky


@dataclass
class World:
    api: FakeClient
    nft: FakeNft
    proxy: Proxy
    clock: FakeClock

    def chains(self) -> dict[str, tuple[str, ...]]:
        return {chain.name: chain.rules for chain in self.nft.tables[TABLE].chains.values()}

    def elements(self) -> dict[str, dict[str, str]]:
        found = self.nft.read(TABLE)
        assert found is not None
        return {name: dict(held) for name, held in found.elements.items()}


async def run_with(informers: InformerSet, proxy: Proxy) -> None:
    """Runs until cancelled."""
    proxy.follow(informers)

    async def work() -> None:
        await informers.wait_synced()
        await proxy.run()

    await run_all(informers.run(), work())


@contextlib.asynccontextmanager
async def running(api: FakeClient | None = None, nft: FakeNft | None = None) -> AsyncIterator[World]:
    clock = FakeClock()
    api = api or FakeClient(clock=clock, ids=RandomIds(random.Random(1)))
    nft = nft or FakeNft()
    proxy = nftables_proxy(node(), network=NETWORK, nft=nft, clock=clock, log=SILENT)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_with(InformerSet(api), proxy))
        yield World(api, nft, proxy, clock)
        task.cancel()


def scenario(body: Callable[[World], Awaitable[None]]) -> None:
    async def go() -> None:
        async with running() as at:
            await body(at)

    run_jumping(go())


async def settle() -> None:
    await asyncio.sleep(5)


def test_one_change_of_endpoints_is_one_small_transaction_among_many_services() -> None:
    async def body(at: World) -> None:
        for i in range(50):
            await at.api.create(SERVICE, service(f"s{i}", f"10.96.1.{i}"))
            await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2", "10.244.2.2", service_name=f"s{i}"))
        await settle()
        assert len(at.elements()["services"]) == 50
        before = len(at.nft.log)
        piece = await at.api.get(ENDPOINT_SLICE, "s7-1", "default")
        piece.endpoints = [endpoint("10.244.1.2"), endpoint("10.244.3.3")]
        await at.api.update(ENDPOINT_SLICE, piece)
        await settle()
        (transaction,) = at.nft.log[before:]
        key = "tcp . 10.96.1.7 . 80 . 0x00000001"
        assert transaction.changes == (ElementChange("endpoints", key, "10.244.2.2 . 8080", "10.244.3.3 . 8080"),)

    scenario(body)


def test_what_changes_nothing_for_the_kernel_makes_no_transaction() -> None:
    async def body(at: World) -> None:
        await at.api.create(SERVICE, service())
        await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
        await settle()
        before = len(at.nft.log)
        found = await at.api.get(SERVICE, "web", "default")
        found.metadata.labels = {"colour": "red"}
        await at.api.update(SERVICE, found)
        await settle()
        assert at.nft.log[before:] == []

    scenario(body)


def test_a_deleted_service_leaves_nothing() -> None:
    async def body(at: World) -> None:
        await at.api.create(SERVICE, node_port_service(**sticky()))
        await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
        await settle()
        assert {"services", "endpoints", "affinity_slots", "hairpin", "node_services", "dispatch"} < set(at.elements())
        await at.api.delete(SERVICE, "web", "default")
        await settle()
        assert set(at.elements()) == {"dispatch"}

    scenario(body)


@pytest.mark.parametrize("label", [HEADLESS_LABEL, PROXY_NAME_LABEL])
@pytest.mark.parametrize(("kind", "name"), [(SERVICE, "web"), (ENDPOINT_SLICE, "web-1")], ids=["service", "slice"])
def test_a_label_keeps_rules_away_and_its_removal_brings_them_back(kind: Kind[Any], name: str, label: str) -> None:
    async def body(at: World) -> None:
        await at.api.create(SERVICE, service())
        await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
        await settle()
        before = at.elements()
        found = await at.api.get(kind, name, "default")
        labels = dict(found.metadata.labels)
        found.metadata.labels = labels | {label: ""}
        found = await at.api.update(kind, found)
        await settle()
        assert set(at.elements()) == {"dispatch"}
        found.metadata.labels = labels
        await at.api.update(kind, found)
        await settle()
        assert at.elements() == before

    scenario(body)


def test_a_refused_transaction_is_followed_by_a_table_in_line_again() -> None:
    async def body(at: World) -> None:
        await at.api.create(SERVICE, service())
        await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
        await settle()
        # A foreign program emptied the map unnoticed, and the kernel refuses the next change for that reason.
        at.nft.tables[TABLE].elements["endpoints"].clear()
        piece = await at.api.get(ENDPOINT_SLICE, "web-1", "default")
        piece.endpoints = [endpoint("10.244.3.3")]
        await at.api.update(ENDPOINT_SLICE, piece)
        await settle()
        assert at.elements()["endpoints"] == {"tcp . 10.96.0.10 . 80 . 0x00000000": "10.244.3.3 . 8080"}
        assert (at.proxy.stats.failures, at.proxy.stats.full_syncs) == (1, 2)
        at.nft.failures = [Missing("again")] * 5
        await at.api.delete(SERVICE, "web", "default")
        await asyncio.sleep(60)
        assert set(at.elements()) == {"dispatch"}

    scenario(body)


def test_services_that_were_still_to_be_planned_when_the_kernel_refused_are_planned_after_it() -> None:
    async def body(at: World) -> None:
        await at.api.create(SERVICE, service())
        await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
        await settle()
        at.nft.failures = [Missing("the first batch")]
        for i in range(1200):
            await at.api.create(SERVICE, service(f"s{i}", f"10.96.{1 + i // 250}.{i % 250}"))
            await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2", service_name=f"s{i}"))
        await settle()
        assert at.proxy.stats.failures == 1
        assert len(at.elements()["services"]) == 1201

    scenario(body)


def test_a_restarted_proxy_touches_nothing_before_it_knows_all_and_then_only_what_is_stale() -> None:
    async def go() -> None:
        async with running() as at:
            await at.api.create(SERVICE, service())
            await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
            await at.api.create(SERVICE, service("old", "10.96.0.11"))
            await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2", service_name="old"))
            await settle()
        await at.api.delete(SERVICE, "old", "default")
        log = len(at.nft.log)
        at.api.interrupt(down=True)
        async with running(at.api, at.nft) as again:
            await settle()
            assert at.nft.log[log:] == []
            at.api.interrupt(down=False)
            await again.proxy.synced.wait()
            (transaction,) = at.nft.log[log:]
            assert {c.new for c in transaction.changes} == {None}
            assert transaction.replace is None
            assert again.elements()["services"] == {"tcp . 10.96.0.10 . 80": "0x00000001"}

    run_jumping(go())


def test_a_table_with_other_rules_is_replaced_in_one_transaction() -> None:
    async def go() -> None:
        async with running() as at:
            await at.api.create(SERVICE, service())
            await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
            await settle()
        held = at.nft.tables[TABLE]
        at.nft.tables[TABLE].table = type(held.table)(TABLE, held.table.sets, held.table.chains, "rules older")
        async with running(at.api, at.nft) as again:
            await again.proxy.synced.wait()
            assert at.nft.log[-1].replace is not None
            assert again.elements()["services"] == {"tcp . 10.96.0.10 . 80": "0x00000001"}

    run_jumping(go())


ADDRESSES = st.sampled_from(["10.244.1.2", "10.244.1.3", "10.244.2.2", "10.244.3.3"])
STEP = st.tuples(
    st.sampled_from(["a", "b", "c"]),
    st.sampled_from(["gone", "plain", "sticky", "node port"]),
    st.sampled_from(["10.96.0.10", "10.96.0.11"]),
    st.sets(ADDRESSES),
)


@given(st.lists(st.lists(STEP, min_size=1, max_size=3), max_size=6))
def test_any_order_of_changes_ends_with_the_desired_table(
    turns: list[list[tuple[str, str, str, set[str]]]],
) -> None:
    """Includes Services that compete for an address for a while, as when one takes over another's."""
    nft, mirror = FakeNft(), TableMirror(fixed_table(cluster_proxier(NETWORK)))
    nft.execute(mirror.resync())
    mirror.done(nft.log[-1])
    now = {}
    for turn in turns:
        plans = {}
        for name, shape, ip, ips in turn:
            number = 30000 + ord(name)
            made = {
                "gone": None,
                "plain": service(name, ip),
                "sticky": service(name, ip, **sticky()),
                "node port": node_port_service(number, name=name, ip=ip),
            }[shape]
            now[name] = (made, [slice_of(*sorted(ips), service_name=name)])
            plans[name] = Planned(plan_service(*now[name], node=node()))
        for part in mirror.update(plans).split():
            nft.execute(part)
            mirror.done(part)
    found = nft.read(TABLE)
    assert found is not None
    assert found.elements == {name: held for name, held in mirror.desired.items() if held}
    if not _contended(turns):
        known = {name: made for name, (made, _) in now.items() if made}
        slices = {name: pieces for name, (_, pieces) in now.items()}
        dispatch, others = (
            found.elements.get("dispatch", {}),
            {k: v for k, v in found.elements.items() if k != "dispatch"},
        )
        assert others == desired(known, slices, node=node()).elements
        used = {v for name, held in others.items() if name.endswith("services") for v in held.values()}
        assert used <= dispatch.keys()
        assert not mirror.update({name: Planned(plan_service(*value, node=node())) for name, value in now.items()})


def _contended(turns: list[list[tuple[str, str, str, set[str]]]]) -> bool:
    """Returns whether two Services ever had one address: then the latest claim counts, which `desired` cannot know."""
    held: dict[str, str] = {}
    for turn in turns:
        for name, shape, ip, ips in turn:
            held[name] = ip if shape != "gone" and ips else ""
        used = [ip for ip in held.values() if ip]
        if len(set(used)) != len(used):
            return True
    return False


def test_only_udp_flows_to_a_removed_endpoint_are_deleted() -> None:
    def to(*ips: str) -> EndpointSlice:
        return slice_of(*ips, ports=[EndpointPort(port=53, protocol="UDP")])

    gone = Flow("10.96.0.10", 80, "10.244.1.2", 53)
    kept = [Flow("10.96.0.10", 80, "10.244.2.2", 53), Flow("10.96.0.99", 80, "10.244.1.2", 53)]

    async def body(at: World) -> None:
        await at.api.create(SERVICE, service(ports=[port(protocol="UDP")]))
        await at.api.create(ENDPOINT_SLICE, to("10.244.1.2", "10.244.2.2"))
        await settle()
        at.nft.tracked = [gone, *kept]
        piece = await at.api.get(ENDPOINT_SLICE, "web-1", "default")
        piece.endpoints = to("10.244.2.2").endpoints
        await at.api.update(ENDPOINT_SLICE, piece)
        await settle()
        assert at.nft.tracked == kept
        assert at.proxy.stats.entries_deleted == 1

    scenario(body)
