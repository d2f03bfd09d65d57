"""Permanent refusals by the kernel: no other Service waits, and the part is applied once the kernel accepts it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from fairlead.api.core.service.kind import SERVICE
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE, EndpointPort
from fairlead.net.conntrack.model import Flow
from fairlead.net.family import IPV4
from fairlead.net.iptables.fake import FakeIptables
from fairlead.net.iptables.model import IptablesError, Restore
from fairlead.net.nft.fake import FakeNft
from fairlead.net.nft.model import Busy, NftError, Transaction
from fairlead.net.nft.run import NftKernel
from fairlead.proxy.iptables.backend import IptablesBackend
from fairlead.proxy.nftables.backend import NftablesBackend
from fairlead.proxy.nftables.rules import TABLE
from fairlead.proxy.planning.backend import Source
from fairlead.proxy.planning.salvage import MOST, salvage
from fairlead.runtime.fake import run_jumping
from tests.net.sandbox import in_sandbox
from tests.proxy.atnode import Node1
from tests.proxy.backends import bring, pods, proxier_of
from tests.proxy.objects import endpoint, node, port, service, slice_of, sticky
from tests.proxy.paths import endpoints_of
from tests.proxy.test_loop import World, running, settle


class PickyNft(FakeNft):
    """Refuses every transaction whose text contains one of some words."""

    def __init__(self, *words: str) -> None:
        super().__init__()
        self.words = set(words)

    def execute(self, transaction: Transaction) -> None:
        text = transaction.render()
        if any(word in text for word in self.words):
            self.refused.append(transaction)
            raise NftError("Cannot allocate memory")
        super().execute(transaction)


class PickyIptables(FakeIptables):
    def __init__(self, *words: str) -> None:
        super().__init__()
        self.words = set(words)

    async def restore(self, restores: Sequence[Restore]) -> None:
        for restore in restores:
            if any(word in restore.render() for word in self.words):
                raise IptablesError("iptables-restore: line 2 failed")
            await super().restore([restore])


async def _create(at: World, name: str, ip: str, *ips: str) -> None:
    await at.api.create(SERVICE, service(name, ip, ports=[port(protocol="UDP")]))
    ports = [EndpointPort(port=53, protocol="UDP", name="")]
    await at.api.create(ENDPOINT_SLICE, slice_of(*ips, service_name=name, ports=ports))


def test_a_service_that_the_kernel_refuses_delays_no_other_and_comes_once_it_is_taken() -> None:
    async def go() -> None:
        async with running(nft=PickyNft("10.96.0.66")) as at:
            assert isinstance(at.nft, PickyNft)
            await _create(at, "good", "10.96.0.11", "10.244.1.2")
            await _create(at, "bad", "10.96.0.66", "10.244.1.2")
            await at.proxy.synced.wait()
            await settle()
            # By now the next try of the refused part is far away.
            await asyncio.sleep(120)
            assert "udp . 10.96.0.66 . 80" not in at.elements()["services"]
            stale = Flow("10.96.0.11", 80, "10.244.1.2", 53)
            at.nft.tracked = [stale]
            failures, syncs = at.proxy.stats.failures, at.proxy.stats.full_syncs
            piece = await at.api.get(ENDPOINT_SLICE, "good-1", "default")
            piece.endpoints = [endpoint("10.244.3.3")]
            await at.api.update(ENDPOINT_SLICE, piece)
            await asyncio.sleep(0.01)
            assert at.elements()["endpoints"]["udp . 10.96.0.11 . 80 . 0x00000000"] == "10.244.3.3 . 53"
            assert at.nft.tracked == []
            assert (at.proxy.stats.failures, at.proxy.stats.full_syncs) == (failures, syncs), "no look at all for it"
            at.nft.words = set()
            await asyncio.sleep(60)
            assert "udp . 10.96.0.66 . 80" in at.elements()["services"]

    run_jumping(go())


def test_stale_flows_go_although_the_kernel_refuses_another_part_of_the_same_look() -> None:
    async def go() -> None:
        nft = PickyNft()
        async with running(nft=nft) as at:
            await _create(at, "good", "10.96.0.11", "10.244.1.2")
            await settle()
            nft.tracked = [Flow("10.96.0.11", 80, "10.244.1.2", 53)]
            nft.words = {"10.96.0.66"}
            await _create(at, "bad", "10.96.0.66", "10.244.1.2")
            await at.api.delete(SERVICE, "good", "default")
            await settle()
            assert nft.tracked == []

    run_jumping(go())


def test_a_proxy_is_not_ready_while_the_kernel_takes_next_to_nothing() -> None:
    async def go() -> None:
        nft = PickyNft("element")
        async with running(nft=nft) as at:
            for i in range(MOST + 1):
                await _create(at, f"s{i}", f"10.96.0.{i + 10}", "10.244.1.2")
            await settle()
            assert not at.proxy.synced.is_set()
            nft.words = set()
            await asyncio.sleep(60)
            assert at.proxy.synced.is_set()
            assert len(at.elements()["services"]) == MOST + 1

    run_jumping(go())


def _sources(*names: str) -> Mapping[str, Source]:
    return {
        f"default/{name}": Source(
            service(name, f"10.96.0.{number}", **(sticky() if name.startswith("sticky") else {})),
            [slice_of("10.244.1.2", "10.244.2.2", service_name=name)],
        )
        for number, name in enumerate(names, 11)
    }


def test_a_chain_that_the_kernel_does_not_know_how_to_make_keeps_only_the_services_away_that_need_it() -> None:
    nft = PickyNft("delete @affinity")
    backend = NftablesBackend(nft, proxier_of())
    outcome = bring(backend, _sources("a", "sticky", "b"), node(), whole=True)
    assert isinstance(outcome.refused, NftError)
    assert nft.tables[TABLE].elements["services"].keys() == {"tcp . 10.96.0.11 . 80", "tcp . 10.96.0.13 . 80"}
    nft.words = set()
    assert asyncio.run(backend.resync()).refused is None
    assert len(nft.tables[TABLE].elements["services"]) == 3


def test_a_table_that_cannot_be_made_at_all_is_an_error() -> None:
    with pytest.raises(NftError):
        bring(NftablesBackend(PickyNft("hook prerouting"), proxier_of()), _sources("a"), node(), whole=True)


def test_of_the_programs_lines_only_those_are_left_out_that_are_refused() -> None:
    tables = PickyIptables("10.96.0.12")
    backend = IptablesBackend(tables, proxier_of(), pods=pods(IPV4))
    outcome = bring(backend, _sources("a", "b", "c"), node(), whole=True)
    assert isinstance(outcome.refused, IptablesError)
    clean = FakeIptables()
    bring(IptablesBackend(clean, proxier_of(), pods=pods(IPV4)), _sources("a", "b", "c"), node(), whole=True)
    for table, chains in clean.tables.items():
        for name, rules in chains.items():
            made = tables.tables[table].get(name, [])
            assert [r for r in rules if "default/b" not in r] == [r for r in made if "default/b" not in r]
    tables.words = set()
    assert asyncio.run(backend.resync()).refused is None
    assert {n: sorted(r) for n, r in tables.tables["nat"].items()} == {
        n: sorted(r) for n, r in clean.tables["nat"].items()
    }


def test_a_chain_of_the_programs_to_which_a_rule_of_others_leads_stays_until_that_rule_goes() -> None:
    at = Node1()
    at.put(service(), endpoints_of("a"))
    at.put(service("b", "10.96.0.11"), endpoints_of("a"), name="b")
    (chain,) = [name for name, rules in at.tables.tables["nat"].items() if "10.96.0.11" in str(rules)][-1:]
    at.tables.tables["nat"]["MINE"] = [f"-j {chain}"]
    with pytest.raises(IptablesError):
        at.put(None, name="b")
    outcome = asyncio.run(at.backend.resync())
    assert outcome.refused is None
    assert at.tables.tables["nat"][chain] != [], "refused as a whole, as it was"
    at.put(service("c", "10.96.0.12"), endpoints_of("a"), name="c")
    assert "10.96.0.12" in str(at.tables.tables["nat"]["KUBE-SERVICES"])
    del at.tables.tables["nat"]["MINE"]
    at.tables.foreign_transactions += 1
    assert at.backend.touched()
    asyncio.run(at.backend.resync())
    assert chain not in at.tables.tables["nat"]


def _while_others_lead_to_idle_chains() -> tuple[list[str], list[str]]:
    kernel = NftKernel()
    backend = NftablesBackend(kernel, proxier_of())
    bring(backend, _sources("a", "sticky"), node(), whole=True)
    kernel.run_text("add map ip fairlead mine { type mark : verdict; elements = { 1 : goto slots_2 }; }")
    bring(backend, dict.fromkeys(_sources("a", "sticky"), Source(None, ())), node())
    asyncio.run(backend.tidy())
    asyncio.run(backend.tidy())
    left = _made(kernel)
    kernel.run_text("delete map ip fairlead mine")
    asyncio.run(backend.tidy())
    return left, _made(kernel)


def _made(kernel: NftKernel) -> list[str]:
    """Returns the chains that exist for Services."""
    found = kernel.read(TABLE)
    assert found is not None
    prefixes = ("slots", "sticky", "affinity_chain_", "remember", "forget")
    return sorted(name for name in found.chains if name.startswith(prefixes))


@pytest.mark.kernel
def test_an_idle_chain_that_cannot_be_deleted_does_not_delay_others_and_is_retried() -> None:
    assert in_sandbox(_while_others_lead_to_idle_chains) == (["slots_2"], [])


def test_a_refused_piece_is_found_by_bisection_and_the_order_stays() -> None:
    done: list[int] = []

    async def attempt(items: Sequence[int]) -> None:
        if {3, 7} & {*items}:
            raise Busy(str(items))
        done.extend(items)

    refused, given_up = asyncio.run(salvage(range(10), attempt))
    assert (str(refused), given_up) == ("range(7, 8)", False)
    assert done == [0, 1, 2, 4, 5, 6, 8, 9]


def test_if_everything_is_refused_the_bisection_stops_early() -> None:
    tried: list[int] = []

    async def attempt(items: Sequence[int]) -> None:
        tried.append(len(items))
        raise Busy("no memory")

    assert asyncio.run(salvage(range(100_000), attempt)).given_up
    assert tried.count(1) == MOST
