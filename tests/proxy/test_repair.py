"""Foreign changes of the proxy's table are repaired; foreign tables are left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from fairlead.api.core.service.kind import SERVICE
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE
from fairlead.net import linux
from fairlead.net.nft.model import Chain, Nft
from fairlead.net.nft.run import NftKernel
from fairlead.proxy.nftables.incremental import Planned
from fairlead.proxy.nftables.mirror import TableMirror
from fairlead.proxy.nftables.plan import plan_service
from fairlead.proxy.nftables.rules import TABLE, fixed_table
from fairlead.proxy.planning.proxierconfig import cluster_proxier
from fairlead.proxy.settings.config import SYNC_PERIOD_S
from tests.net.cluster import ask_tcp, build, serve
from tests.net.sandbox import in_sandbox
from tests.proxy.objects import NETWORK, node, node_port_service, service, slice_of, sticky
from tests.proxy.test_loop import World, scenario, settle


async def one_period(at: World) -> None:
    at.clock.advance(SYNC_PERIOD_S + 1)
    await asyncio.sleep(SYNC_PERIOD_S + 1)


def repaired(spoil: Callable[[World], Awaitable[None]]) -> tuple[World, list[int]]:
    """Returns a cluster with one Service after damage to its table and one sync period."""
    told: list[int] = []
    found: list[World] = []

    async def body(at: World) -> None:
        at.proxy.on_repair.append(told.append)
        await at.api.create(SERVICE, service())
        await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
        await settle()
        await one_period(at)
        before = at.elements(), at.chains()
        await spoil(at)
        at.nft.foreign_transactions += 1
        await one_period(at)
        assert (at.elements(), at.chains()) == before
        found.append(at)

    scenario(body)
    return found[0], told


async def _element_gone(at: World) -> None:
    at.nft.tables[TABLE].elements["endpoints"].clear()


async def _element_added(at: World) -> None:
    at.nft.tables[TABLE].elements["services"]["tcp . 10.96.0.99 . 80"] = "0x00000001"


async def _chain_emptied(at: World) -> None:
    chain = at.nft.tables[TABLE].chains["prerouting"]
    at.nft.tables[TABLE].chains["prerouting"] = Chain(chain.name, (), chain.hook)


async def _rule_replaced(at: World) -> None:
    chains = at.nft.tables[TABLE].chains
    chains["refuse"] = Chain("refuse", ("drop", *chains["refuse"].rules[1:]))


async def _chain_hung_in(at: World) -> None:
    at.nft.tables[TABLE].chains["mine"] = Chain("mine", ("drop",), "type filter hook forward priority filter")


async def _table_gone(at: World) -> None:
    del at.nft.tables[TABLE]


@pytest.mark.parametrize(
    "spoil", [_element_gone, _element_added, _chain_emptied, _rule_replaced, _chain_hung_in, _table_gone]
)
def test_foreign_changes_are_repaired_within_the_sync_period_and_reported(
    spoil: Callable[[World], Awaitable[None]],
) -> None:
    at, told = repaired(spoil)
    assert at.proxy.stats.repairs == len(told) == 1


async def _nothing(_: World) -> None:
    """Does nothing: stands for a change of a foreign table."""


def test_a_change_of_a_foreign_table_is_no_repair() -> None:
    at, told = repaired(_nothing)
    assert (at.proxy.stats.repairs, told) == (0, [])
    assert {t.table for t in at.nft.log} == {TABLE}


def test_an_unchanged_table_is_not_read_again() -> None:
    async def body(at: World) -> None:
        await at.api.create(SERVICE, service())
        await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
        await settle()
        before = at.nft.reads
        await at.api.create(SERVICE, service("more", "10.96.0.11"))
        await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2", "10.244.1.3", service_name="more"))
        for _ in range(5):
            await one_period(at)
        assert at.nft.reads == before

    scenario(body)


def _on_the_kernel() -> list[str]:
    """Damages the real table in every way, and checks the mirror's reaction."""
    cluster = build(nodes=1)
    pod = cluster.add_pod(1)
    serve(pod.netns, pod.ip, 8080)
    kernel = linux.in_netns(cluster.node(1), NftKernel)
    kernel.run_text("table ip other { chain x { type filter hook forward priority 10; }\n}")
    mirror = TableMirror(fixed_table(cluster_proxier(NETWORK)))
    _apply(kernel, mirror, take=True)
    mirror.record_texts(kernel.rules(TABLE))
    steps = []
    for spoil in (
        "flush map ip fairlead endpoints",
        "flush chain ip fairlead prerouting",
        "flush chain ip fairlead slots_1",
        "flush chain ip fairlead refuse\nadd rule ip fairlead refuse drop\nadd rule ip fairlead refuse drop",
        "add element ip fairlead dispatch { 0x0000ffff : drop }",
        "add chain ip fairlead mine { type filter hook forward priority 5; }\nadd rule ip fairlead mine drop",
        "delete table ip fairlead",
    ):
        before = kernel.generation()
        kernel.run_text(spoil)
        assert kernel.generation() != before
        mirror.observe(kernel.read(TABLE))
        assert mirror.resync(), spoil
        _apply(kernel, mirror)
        mirror.record_texts(kernel.rules(TABLE))
        mirror.observe(kernel.read(TABLE))
        assert not mirror.resync(), spoil
        steps.append(linux.in_netns(cluster.node(1), lambda: ask_tcp("10.96.0.10", 80)).split()[0])
        steps.append(ask_tcp("172.30.0.11", 30080).split()[0])
    assert kernel.read("other") is not None
    return steps


def _apply(kernel: Nft, mirror: TableMirror, *, take: bool = False) -> None:
    plan = plan_service(node_port_service(**sticky()), [slice_of("10.244.1.2")], node=node())
    plain = plan_service(service("b", "10.96.0.11"), [slice_of("10.244.1.2")], node=node())
    for part in (mirror.update({"web": Planned(plan), "b": Planned(plain)}) if take else mirror.resync()).split():
        kernel.execute(part)
        mirror.done(part)


@pytest.mark.kernel
def test_a_spoilt_table_of_the_kernel_is_put_right_and_other_tables_stay() -> None:
    assert in_sandbox(_on_the_kernel, ordinary=True) == ["10.244.1.2"] * 14
