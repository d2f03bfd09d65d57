"""A backend without a kernel, which records its calls and fails on request; and a proxy with one mode."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fairlead.base.clock import Clock
from fairlead.base.log import Log
from fairlead.base.metrics import Family, Labels, counter
from fairlead.net.errors import KernelError
from fairlead.net.model import ClusterNetwork
from fairlead.net.nft.model import Nft
from fairlead.proxy.planning.backend import Address, NoLocal, Outcome, Source, UdpFrontend
from fairlead.proxy.planning.proxierconfig import ProxierConfig, cluster_proxier
from fairlead.proxy.settings.config import ProxyConfig
from fairlead.proxy.sync.activebackend import ProxyContext
from fairlead.proxy.sync.loop import Proxy
from fairlead.proxy.sync.modes import nftables_only
from fairlead.service.node import NodeView


@dataclass
class FakeRules:
    """The kernel of `FakeBackend`, which survives the backend."""

    held: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)
    failures: list[KernelError] = field(default_factory=list)
    """Errors that the next calls of `resync`, `apply` and `cleanup` raise, in order."""
    absent: str = ""
    """The reason for which the mode is not available."""
    proxiers: list[ProxierConfig] = field(default_factory=list)

    def make(self, proxier: ProxierConfig) -> FakeBackend:
        if self.absent:
            raise KernelError(self.absent)
        self.proxiers.append(proxier)
        return FakeBackend(self)

    def say(self, text: str) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.log.append(text)


class FakeBackend:
    mode = "iptables"

    def __init__(self, rules: FakeRules) -> None:
        self._rules = rules
        self._wanted: set[str] = set()

    @property
    def services(self) -> int:
        return len(self._wanted)

    def endpoints_of(self, frontend: UdpFrontend) -> frozenset[Address] | None:
        return None

    def plan(self, changed: Mapping[str, Source], *, node: NodeView) -> NoLocal:
        self._wanted -= changed.keys()
        self._wanted |= {key for key, source in changed.items() if source.service is not None}
        return dict.fromkeys(changed, ())

    async def apply(self) -> Outcome:
        return await self._follow("apply")

    async def resync(self) -> Outcome:
        return await self._follow("resync")

    async def _follow(self, what: str) -> Outcome:
        self._rules.say(f"{what} {len(self._wanted)}")
        await asyncio.sleep(0)
        before = set(self._rules.held)
        self._rules.held = set(self._wanted)
        return Outcome(len(before ^ self._wanted))

    async def tidy(self) -> None:
        pass

    def touched(self) -> bool:
        return False

    def families(self, labels: Labels, *, failures: int, cleanup_failures: int) -> Iterable[Family]:
        yield counter("kubeproxy_fake_total", "Failures of the fake.", failures, labels)

    async def cleanup(self) -> bool:
        self._rules.say("cleanup")
        there = bool(self._rules.held)
        self._rules.held = set()
        return there


def nftables_proxy(
    node: NodeView, *, network: ClusterNetwork, nft: Nft, clock: Clock, log: Log, config: ProxyConfig | None = None
) -> Proxy:
    """Returns the proxy of a node of a cluster made by Fairlead, in the family of `node`, with one mode only."""
    context = ProxyContext(cluster_proxier(network, node.family), nftables_only(nft), nft, lambda _: None)
    return Proxy(context, config or ProxyConfig(), node=node, clock=clock, log=log)
