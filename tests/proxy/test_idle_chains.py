"""Unused chains: deleted in time, and never while another chain leads to them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.core.service.kind import Service
from fairlead.api.discovery.endpointslice.kind import EndpointPort
from fairlead.net.errors import KernelError
from fairlead.net.family import IPV4, Family
from fairlead.net.iptables.fake import FakeIptables
from fairlead.net.nft.fake import FakeNft
from fairlead.proxy.iptables.backend import IptablesBackend
from fairlead.proxy.nftables.backend import NftablesBackend
from fairlead.proxy.nftables.rules import TABLE, fixed_table
from fairlead.proxy.planning.backend import Backend, Source
from tests.net.sandbox import in_sandbox
from tests.proxy.backends import KERNELS, Kind, pods, proxier_of
from tests.proxy.objects import port, service, slice_of, sticky
from tests.proxy.test_paths import view

Step = tuple[str, Service | None, Sequence[str]] | Literal["idle", "resync"]
"""A Service with its endpoints, a search for unused chains, or a full resync."""


def wanted(name: str, ip: str = "10.96.0.10", *ips: str, **spec: Any) -> Step:
    return name, service(name, ip, **spec), ips


def gone(name: str) -> Step:
    return name, None, ()


LOCAL = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "externalIPs": ["192.0.2.1"]}
PORTS = [EndpointPort(port=8080, protocol=protocol, name="") for protocol in ("TCP", "UDP")]
HERE, HERE_TOO, THERE = "10.244.1.2", "10.244.1.3", "10.244.2.2"
THREE = (HERE, HERE_TOO, THERE)

STORIES: Mapping[str, Sequence[Step]] = {
    "three endpoints, then the same behind an external address": (
        wanted("a", "10.96.0.11", *THREE),
        gone("a"),
        "idle",
        wanted("b", "10.96.0.12", *THREE, externalIPs=["192.0.2.1"]),
        gone("b"),
        "idle",
        "resync",
    ),
    "clients that stick to one endpoint, then to two": (
        wanted("a", "10.96.0.11", HERE, **sticky()),
        gone("a"),
        "idle",
        wanted("a", "10.96.0.11", HERE, HERE_TOO, **sticky()),
        gone("a"),
        "idle",
        "resync",
    ),
    "traffic that stays on a node without endpoints": (
        wanted("a", "10.96.0.11", THERE, **LOCAL),
        gone("a"),
        "idle",
        wanted("b", "10.96.0.12", THERE, **LOCAL),
        gone("b"),
        "idle",
        wanted("c", "10.96.0.13", THERE, internalTrafficPolicy="Local"),
        "resync",
        "idle",
    ),
}
ENDING: Sequence[Step] = ("idle", "idle")


@dataclass
class Stage:
    """A backend, and the Services passed to it."""

    backend: Backend
    family: Family = IPV4

    async def play(self, steps: Sequence[Step]) -> list[KernelError]:
        """Runs the steps; returns the refusals reported to the loop."""
        refused = []
        for step in steps:
            if step == "idle":
                await self.backend.tidy()
            elif step == "resync":
                refused += [(await self.backend.resync()).refused]
            else:
                name, made, ips = step
                pieces = [slice_of(*ips, service_name=name, ports=PORTS)] if ips else []
                self.backend.plan({f"default/{name}": Source(made, pieces)}, node=view("node1", self.family))
                refused += [(await self.backend.apply()).refused]
        return [error for error in refused if error is not None]


def begun(backend: Backend) -> Stage:
    asyncio.run(backend.resync())
    return Stage(backend)


@pytest.mark.parametrize("story", STORIES)
def test_chains_go_once_nothing_leads_to_them_and_no_transaction_is_refused(story: str) -> None:
    nft = FakeNft()
    stage = begun(NftablesBackend(nft, proxier_of()))
    assert not asyncio.run(stage.play((*STORIES[story], gone("a"), gone("b"), gone("c"), *ENDING)))
    assert nft.refused == []
    assert _chains(nft) == _fixed()


@pytest.mark.kernel
@KERNELS
@pytest.mark.parametrize("story", STORIES)
def test_the_kernel_refuses_none_of_it_either(kind: Kind, story: str) -> None:
    def body() -> list[KernelError]:
        return asyncio.run(begun(kind.kernel(proxier_of())).play((*STORIES[story], *ENDING, "resync")))

    assert in_sandbox(body) == []


def _chains(nft: FakeNft) -> set[str]:
    return set(nft.tables[TABLE].chains)


def _fixed() -> set[str]:
    return {chain.name for chain in fixed_table(proxier_of()).chains}


NAMES = {"a": "10.96.0.11", "b": "10.96.0.12", "c": "10.96.0.13"}
SPECS: Sequence[dict[str, Any]] = (
    {"type": "ClusterIP"},
    {"type": "NodePort"},
    {"type": "LoadBalancer"},
    {"type": "LoadBalancer", "externalTrafficPolicy": "Local"},
    {"clusterIP": "None", "clusterIPs": ["None"]},
    {"type": "ExternalName", "clusterIP": "", "clusterIPs": [], "externalName": "example.com"},
)


@st.composite
def changes(draw: st.DrawFn) -> Step:
    name = draw(st.sampled_from(sorted(NAMES)))
    if draw(st.integers(0, 3)) == 0:
        return gone(name)
    spec = dict(draw(st.sampled_from(SPECS)))
    spec |= draw(st.sampled_from([{}, {}, sticky(10), sticky(600)]))
    spec |= draw(st.sampled_from([{}, {}, {"internalTrafficPolicy": "Local"}]))
    spec |= draw(st.sampled_from([{}, {"externalIPs": ["192.0.2.1"]}, {"externalIPs": [f"192.0.2.1{ord(name)}"]}]))
    number = 30000 + ord(name) if spec.get("type") in ("NodePort", "LoadBalancer") else 0
    ports = [port(protocol=draw(st.sampled_from(["TCP", "UDP"])), nodePort=number)]
    made = service(name, NAMES[name], **({"ports": ports} | spec))
    made.metadata.labels = draw(st.sampled_from([{}, {}, {}, {"service.kubernetes.io/headless": ""}]))
    return name, made, sorted(draw(st.sets(st.sampled_from([*THREE, "10.244.3.3"]))))


STEPS = st.lists(st.one_of(changes(), changes(), st.sampled_from(["idle", "idle", "resync"])), max_size=14)


@pytest.mark.slow
@given(STEPS)
def test_no_transaction_is_refused_while_services_change_around_idle_checks(steps: list[Step]) -> None:
    nft = FakeNft()
    stage = begun(NftablesBackend(nft, proxier_of()))
    assert not asyncio.run(stage.play(steps))
    before = nft.tables[TABLE].elements
    assert not asyncio.run(stage.play(["resync"]))
    assert nft.tables[TABLE].elements == before, "the mirror was right"
    assert not asyncio.run(stage.play([*map(gone, NAMES), *ENDING]))
    assert nft.refused == []
    assert _chains(nft) == _fixed()


@given(STEPS)
def test_no_iptables_transaction_is_refused_while_services_change(steps: list[Step]) -> None:
    tables = FakeIptables()
    stage = begun(IptablesBackend(tables, proxier_of(), pods=pods(IPV4)))
    empty = {table: set(chains) for table, chains in tables.tables.items()}
    assert not asyncio.run(stage.play([*steps, *map(gone, NAMES), *ENDING]))
    assert tables.refused == []
    assert {table: set(chains) for table, chains in tables.tables.items()} == empty
