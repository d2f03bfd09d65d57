"""Chains are added, rewritten around their elements, and deleted: on the fake by the transactions, on the kernel by
the answers that clients get."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from fairlead.net import linux
from fairlead.net.nft.fake import FakeNft
from fairlead.net.nft.model import Nft
from fairlead.net.nft.run import NftKernel
from fairlead.proxy.nftables.backend import NftablesBackend
from fairlead.proxy.nftables.rules import MARKER, TABLE
from fairlead.proxy.planning.backend import Source
from fairlead.proxy.planning.proxierconfig import ProxierConfig, cluster_proxier
from tests.net.cluster import ask_tcp, build, serve
from tests.net.sandbox import in_sandbox
from tests.proxy.objects import NETWORK, node, node_port_service, service, slice_of, sticky

PLAIN = cluster_proxier(NETWORK)
MASQUERADED = replace(PLAIN, masquerade_all=True)
POD = "10.244.1.2"


def backend(nft: Nft, proxier: ProxierConfig = PLAIN, *, services: int = 1) -> NftablesBackend:
    """Returns a backend with planned Services, not applied yet."""
    made = NftablesBackend(nft, proxier)
    made.plan({f"default/s{i}": source(i) for i in range(services)}, node=node())
    return made


def source(i: int, *ips: str) -> Source:
    ip = f"10.96.{1 + i // 250}.{i % 250}"
    return Source(service(f"s{i}", ip), [slice_of(*(ips or (POD,)), service_name=f"s{i}")])


def chains(nft: Nft) -> set[str]:
    found = nft.read(TABLE)
    assert found is not None
    return set(found.chains)


@pytest.mark.slow
def test_other_rules_around_the_same_elements_are_one_transaction_however_many_services_there_are() -> None:
    async def go() -> None:
        nft = FakeNft()
        await backend(nft, services=2100).resync()
        before, elements = len(nft.log), nft.tables[TABLE].elements["services"]
        outcome = await backend(nft, MASQUERADED, services=2100).resync()
        first, last = nft.log[before:]
        assert (outcome.changes, outcome.replaced) == (0, False)
        assert first.replace is None
        assert "ip daddr 10.96.0.0/12 ct mark set ct mark | 0x4000" in nft.tables[TABLE].chains["output"].rules
        assert nft.tables[TABLE].elements["services"] == elements
        assert last.delete_chains == tuple(name for name in last.delete_chains if name.startswith(MARKER))
        assert len([name for name in chains(nft) if name.startswith(MARKER)]) == 1
        assert not (await backend(nft, MASQUERADED, services=2100).resync()).anything

    asyncio.run(go())


def test_one_that_was_killed_between_the_rules_and_their_mark_is_not_believed() -> None:
    async def go() -> None:
        nft = FakeNft()
        await backend(nft).resync()
        before = len(nft.log)
        await backend(nft, MASQUERADED).resync()
        nft.tables[TABLE].chains.update(
            {
                name: chain
                for t in nft.log[:before]
                for chain in (t.replace.chains if t.replace else ())
                for name in [chain.name]
                if name.startswith(MARKER)
            }
        )
        assert len([name for name in chains(nft) if name.startswith(MARKER)]) == 2
        await backend(nft, PLAIN).resync()
        assert "ip daddr 10.96.0.0/12 ct mark set ct mark | 0x4000" not in nft.tables[TABLE].chains["output"].rules
        assert not (await backend(nft, PLAIN).resync()).anything

    asyncio.run(go())


def test_chains_that_only_the_previous_process_needed_are_removed() -> None:
    async def go() -> None:
        nft = FakeNft()
        first = backend(nft)
        first.plan({"default/s0": source(0, POD, "10.244.1.3", "10.244.2.2")}, node=node())
        first.plan(
            {"a": Source(node_port_service(name="a", **sticky()), [slice_of(POD, service_name="a")])}, node=node()
        )
        await first.resync()
        assert {"slots_3", "masquerade_node_sticky_1", "affinity_chain_600s"} <= chains(nft)
        await backend(nft).resync()
        assert not {"slots_3", "masquerade_node_sticky_1", "sticky_1", "affinity_chain_600s"} & chains(nft)
        assert "slots_1" in chains(nft)
        assert set(nft.tables[TABLE].elements["dispatch"]) == {"0x00000001"}

    asyncio.run(go())


def test_chains_unused_at_two_checks_are_deleted_and_created_again_when_needed() -> None:
    async def go() -> None:
        nft = FakeNft()
        at = backend(nft)
        await at.resync()
        for count in range(2, 12):
            at.plan({"default/s0": source(0, *(f"10.244.1.{2 + i}" for i in range(count)))}, node=node())
            await at.apply()
            if count == 6:
                await at.tidy()
        assert {f"slots_{count}" for count in range(1, 12)} <= chains(nft)
        await at.tidy()
        assert not {f"slots_{count}" for count in range(1, 6)} & chains(nft), "idle at both looks"
        assert {f"slots_{count}" for count in range(6, 12)} <= chains(nft)
        await at.tidy()
        assert {name for name in chains(nft) if name.startswith("slots_")} == {"slots_11"}
        before = len(nft.log)
        await at.tidy()
        assert len(nft.log) == before, "nothing changed since: nothing to look for"
        at.plan({"default/s0": source(0, POD, "10.244.1.3")}, node=node())
        await at.apply()
        assert "slots_2" in chains(nft)
        assert set(nft.tables[TABLE].elements["dispatch"]) == {"0x00000002", "0x0000000b"}
        assert not (await at.resync()).anything

    asyncio.run(go())


async def _on_the_kernel() -> list[str]:
    """Returns the answering endpoint after each change of the rules, and of the chains."""
    cluster = build(nodes=1)
    pod = cluster.add_pod(1)
    serve(pod.netns, pod.ip, 8080)
    kernel = linux.in_netns(cluster.node(1), NftKernel)
    at = backend(kernel, services=1200)
    at.plan({"default/s1": source(1, POD, "10.244.1.77")}, node=node())
    await at.resync()
    assert "slots_2" in chains(kernel)
    seen = []

    def ask() -> str:
        return linux.in_netns(cluster.node(1), lambda: ask_tcp("10.96.5.199", 80))

    for proxier in (PLAIN, MASQUERADED, replace(PLAIN, node_ports=("127.0.0.0/8",)), PLAIN):
        at = backend(kernel, proxier, services=1200)
        await at.resync()
        assert "slots_2" not in chains(kernel), "the second endpoint was the predecessor's"
        assert not (await at.resync()).anything
        seen.append(ask())
    at.plan({"default/s1199": source(1199, POD, "10.244.1.99")}, node=node())
    await at.apply()
    assert "slots_2" in chains(kernel)
    at.plan({"default/s1199": source(1199)}, node=node())
    await at.apply()
    await at.tidy()
    await at.tidy()
    assert "slots_2" not in chains(kernel)
    assert not (await at.resync()).anything
    return [*seen, ask()]


@pytest.mark.kernel
def test_the_kernel_accepts_rewritten_rules_and_deletes_chains() -> None:
    def go() -> list[str]:
        return asyncio.run(_on_the_kernel())

    answers = in_sandbox(go, ordinary=True)
    assert [answer.split()[0] for answer in answers] == [POD] * 5
