"""The proxy's backends by name, over the kernel and over the fake with the tracer, for measurements of all."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from fairlead.base.clock import RealClock
from fairlead.base.log import SILENT
from fairlead.net.iptables.fake import FakeIptables
from fairlead.net.iptables.run import IptablesKernel
from fairlead.net.iptables.trace import Tracer as IptablesTracer
from fairlead.net.model import ClusterNetwork
from fairlead.net.nft.fake import FakeNft
from fairlead.net.nft.run import NftKernel
from fairlead.net.nft.trace import Tracer
from fairlead.net.trace import Packet, RandomDice, Trace
from fairlead.proxy.iptables.backend import IptablesBackend
from fairlead.proxy.nftables.backend import NftablesBackend
from fairlead.proxy.nftables.rules import TABLE
from fairlead.proxy.planning.backend import Backend
from fairlead.proxy.planning.proxierconfig import ProxierConfig, cluster_proxier, of_family
from fairlead.proxy.settings.config import ProxyConfig
from fairlead.proxy.sync.activebackend import ProxyContext
from fairlead.proxy.sync.loop import Proxy
from fairlead.proxy.sync.modes import cluster_pods
from fairlead.service.node import NodeView

NAMES = ("nftables", "iptables", "iptables-legacy")
"""`iptables` is by the programs for nf_tables."""


def kernel_backend(name: str, proxier: ProxierConfig, network: ClusterNetwork) -> Backend:
    """Runs in the network namespace of the calling thread."""
    if name == "nftables":
        return NftablesBackend(NftKernel(), proxier)
    kind = "legacy" if name.endswith("legacy") else "nft"
    pods = of_family(cluster_pods(network), proxier.family)
    return IptablesBackend(IptablesKernel(proxier.family.table, kind=kind), proxier, pods=pods)


def kernel_proxy(name: str, node: NodeView, network: ClusterNetwork) -> Proxy:
    """Runs in the network namespace of the calling thread."""
    mode = ProxyConfig(mode="nftables" if name == "nftables" else "iptables")
    proxier = cluster_proxier(network, node.family)
    backend = kernel_backend(name, proxier, network)
    context = ProxyContext(proxier, {mode.mode: lambda _: backend}, NftKernel(), lambda _: None)
    return Proxy(context, mode, node=node, clock=RealClock(), log=SILENT)


def fake_backend(name: str, network: ClusterNetwork) -> tuple[Backend, Callable[[NodeView], Callable[[Packet], Trace]]]:
    """Returns a fake backend and a function that makes a tracer of its content."""
    proxier, rng = cluster_proxier(network), random.Random(1)
    if name == "nftables":
        nft = FakeNft()
        return NftablesBackend(
            nft, proxier
        ), lambda node: Tracer(nft.tables[TABLE], local=node.addresses, dice=RandomDice(rng)).trace
    tables = FakeIptables()
    backend = IptablesBackend(tables, proxier, pods=cluster_pods(network))
    return backend, lambda node: IptablesTracer(tables, local=node.addresses, dice=RandomDice(rng)).trace


async def until(happened: Callable[[], bool]) -> None:
    """Polls in each turn of the loop at first, then after pauses, because a program may be running."""
    looks = 0
    while not happened():
        await asyncio.sleep(0 if looks < 100 else 0.0005)
        looks += 1
