"""The proxy's backends, each over its fake with its tracer, and over the kernel: common tests run over all of them."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import pytest

from fairlead.net.family import IPV4, Family
from fairlead.net.iptables.fake import FakeIptables
from fairlead.net.iptables.run import IptablesKernel
from fairlead.net.iptables.trace import Tracer as IptablesTracer
from fairlead.net.model import ClusterNetwork, Network6
from fairlead.net.nft.fake import FakeNft
from fairlead.net.nft.run import NftKernel
from fairlead.net.nft.trace import Tracer as NftTracer
from fairlead.net.trace import Packet, RandomDice, Trace
from fairlead.proxy.iptables.backend import IptablesBackend
from fairlead.proxy.nftables.backend import NftablesBackend
from fairlead.proxy.nftables.rules import TABLE
from fairlead.proxy.planning.backend import Backend, Outcome, Source
from fairlead.proxy.planning.proxierconfig import ProxierConfig, cluster_proxier
from fairlead.service.node import NodeView

BOTH = ClusterNetwork(six=Network6())


class Tracer(Protocol):
    def trace(self, packet: Packet) -> Trace: ...


Tracing = Callable[[NodeView, random.Random], Tracer]
"""Returns a tracer over the present content of a fake, for a node. The rules' memory of clients is kept between
tracers."""


@dataclass(frozen=True)
class Kind:
    """A mode to test.

    `iptables`: behaves as upstream's mode of that name if it differs from nftables. It refuses TCP over IPv4 by an
    ICMP error, and also masquerades a node's own clients of cluster IPs. `needs`: the program that the mode needs."""

    name: str
    fake: Callable[[ProxierConfig], tuple[Backend, Tracing]]
    kernel: Callable[[ProxierConfig], Backend]
    iptables: bool = False
    needs: str = ""

    def __str__(self) -> str:
        return self.name

    def refusal(self, family: Family) -> str:
        """Returns the fate of a refused TCP connection."""
        return "unreachable" if self.iptables and family is IPV4 else "reset"


def pods(family: Family) -> tuple[str, ...]:
    assert BOTH.six is not None
    return (str(BOTH.pod_cidr if family is IPV4 else BOTH.six.pod_cidr),)


def _fake_nftables(proxier: ProxierConfig) -> tuple[Backend, Tracing]:
    nft = FakeNft()
    name = TABLE if proxier.family is IPV4 else f"ip6 {TABLE}"

    def tracing(node: NodeView, rng: random.Random) -> Tracer:
        return NftTracer(nft.tables[name], local=node.addresses, dice=RandomDice(rng))

    return NftablesBackend(nft, proxier), tracing


def _fake_iptables(proxier: ProxierConfig) -> tuple[Backend, Tracing]:
    tables, recent = FakeIptables(), dict[str, set[str]]()

    def tracing(node: NodeView, rng: random.Random) -> Tracer:
        return IptablesTracer(tables, local=node.addresses, dice=RandomDice(rng), recent=recent)

    return IptablesBackend(tables, proxier, pods=pods(proxier.family)), tracing


def _programs(kind: str) -> Callable[[ProxierConfig], Backend]:
    def make(proxier: ProxierConfig) -> Backend:
        return IptablesBackend(IptablesKernel(proxier.family.table, kind=kind), proxier, pods=pods(proxier.family))

    return make


NFTABLES = Kind("nftables", _fake_nftables, lambda proxier: NftablesBackend(NftKernel(), proxier))
IPTABLES = Kind("iptables", _fake_iptables, _programs("nft"), True, "iptables-nft-restore")
LEGACY = replace(IPTABLES, name="iptables-legacy", kernel=_programs("legacy"), needs="iptables-legacy-restore")

FAKES = pytest.mark.parametrize("kind", [NFTABLES, IPTABLES], ids=str)


def needing(kind: Kind) -> object:
    there = not kind.needs or shutil.which(kind.needs) or shutil.which(kind.needs, path="/usr/sbin:/sbin")
    return pytest.param(kind, marks=[] if there else pytest.mark.skip(f"{kind.needs} is not installed"), id=kind.name)


KERNELS = pytest.mark.parametrize("kind", [needing(kind) for kind in (NFTABLES, IPTABLES, LEGACY)])


def bring(backend: Backend, changed: Mapping[str, Source], node: NodeView, *, whole: bool = False) -> Outcome:
    """Plans and applies the changes as the proxy's loop does."""
    backend.plan(changed, node=node)
    return asyncio.run(backend.resync() if whole else backend.apply())


def proxier_of(family: Family = IPV4) -> ProxierConfig:
    return cluster_proxier(BOTH, family)
