"""Watches Services and EndpointSlices and keeps the kernel's table as they say.

What must stay true:
- A change of one Service costs the planning of one Service and one small transaction, however many Services there are.
- An agent that comes back finds the table of the one before it, and the connections go on: it reads the table first,
  waits until it knows all Services, and only then makes the differences, what is new before what is stale.
- A refused transaction is never the end: the table is read again and brought in line as a whole, with back-off.

Other users of the plan (metrics, health checks) read `Proxy`; they are not in the planner.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import islice

from fairlead.base.clock import Clock
from fairlead.base.log import Log
from fairlead.base.tasks import run_all
from fairlead.net.model import ClusterNetwork
from fairlead.net.nft.model import Nft, NftError, Transaction
from fairlead.proxy.flows import changed_frontends, stale_flows
from fairlead.proxy.ledger import Ledger
from fairlead.proxy.plan import NodeView, ServicePlan, node_view, plan_service
from fairlead.proxy.rules import ENDPOINTS, TABLE, fixed_table
from fairlead.runtime.backoff import Backoff
from fairlead.runtime.client import Client
from fairlead.runtime.informer import InformerSet
from fairlead.runtime.services import ServiceView

_PLANS_A_TURN = 500
"""Services planned before other tasks of the process get their turn."""
_RETRY_BASE_S, _RETRY_CAP_S = 0.1, 30.0


@dataclass(slots=True)
class ProxyStats:
    """Counters since the start, for metrics."""

    syncs: int = 0
    full_syncs: int = 0
    failures: int = 0
    changes: int = 0
    flows_forgotten: int = 0
    last_sync_s: float = 0.0
    """How long the last sync took, from the look at the caches to the kernel's answer."""
    last_synced_at: float = 0.0
    """On the monotonic clock."""


async def run(  # noqa: PLR0913 -- where a component is wired up
    client: Client,
    *,
    node_name: str,
    node_ip: IPv4Address | str,
    network: ClusterNetwork,
    nft: Nft,
    clock: Clock,
    log: Log,
) -> None:
    """For ever. Call it in the network namespace that `nft` was made in, or anywhere."""
    node = node_view(node_name, IPv4Address(node_ip), network)
    proxy = Proxy(node=node, network=network, nft=nft, clock=clock, log=log)
    await run_with(InformerSet(client, log=log), proxy)


async def run_with(informers: InformerSet, proxy: Proxy) -> None:
    """For ever, with informers of the caller's, which this runs."""
    proxy.view.follow(informers)

    async def work() -> None:
        await informers.wait_synced()
        await proxy.run()

    await run_all(informers.run(), work())


class Proxy:
    """One node's proxy. It does what `view` says."""

    def __init__(self, *, node: NodeView, network: ClusterNetwork, nft: Nft, clock: Clock, log: Log) -> None:
        self.view = ServiceView()
        self.stats = ProxyStats()
        self.synced = asyncio.Event()
        """Set once the kernel's table is complete for the first time."""
        self._node = node
        self._nft = nft
        self._clock = clock
        self._log = log
        self._ledger = Ledger(fixed_table(network))
        self._backoff = Backoff(base_s=_RETRY_BASE_S, cap_s=_RETRY_CAP_S, rng=random.Random(f"proxy {node.name}"))
        self._whole = True
        """The kernel's table is to be read, and all of it brought in line."""

    async def run(self) -> None:
        """For ever. Start it once the informers are synced."""
        while True:
            # The first time, and after an error, there is something to do even if nothing changed.
            dirty = self.view.take() if self._whole else await self.view.changed()
            try:
                await self._sync(dirty)
            except NftError as error:
                self.stats.failures += 1
                self._whole = True
                pause = self._backoff.next()
                self._log.error("the kernel refused a change", error=error, retry_s=round(pause, 2))
                await asyncio.sleep(pause)
            else:
                self._backoff.reset()
                self.synced.set()

    async def _sync(self, dirty: set[str]) -> None:
        start = self._clock.monotonic()
        if self._whole:
            await self._sync_all(dirty)
        else:
            plans = self._plans(dirty)
            transaction = self._ledger.take(plans)
            await self._apply(transaction)
            self._forget_stale(transaction, plans.values())
        self.stats.syncs += 1
        self.stats.last_synced_at = self._clock.monotonic()
        self.stats.last_sync_s = self.stats.last_synced_at - start

    async def _sync_all(self, dirty: set[str]) -> None:
        for some in _batches(sorted(dirty), _PLANS_A_TURN):
            self._ledger.take(self._plans(some))
            await asyncio.sleep(0)
        self._ledger.found(self._nft.read(TABLE))
        transaction = self._ledger.resync()
        await self._apply(transaction)
        self._whole = False
        self._forget_stale(transaction, self._ledger.plans.values())
        self.stats.full_syncs += 1
        self._log.info("table in line", services=self._ledger.services, changes=len(transaction.changes))

    def _plans(self, keys: Iterable[str]) -> dict[str, ServicePlan]:
        return {key: plan_service(self.view.service(key), self.view.slices(key), node=self._node) for key in keys}

    async def _apply(self, transaction: Transaction) -> None:
        for part in transaction.split():
            self._nft.run(part)
            self._ledger.done(part)
            self.stats.changes += len(part.changes)
            await asyncio.sleep(0)

    def _forget_stale(self, transaction: Transaction, plans: Iterable[ServicePlan]) -> None:
        frontends = changed_frontends(transaction.changes)
        if not frontends:
            return
        try:
            stale = stale_flows(self._nft.flows(), frontends, (p.elements.get(ENDPOINTS, {}) for p in plans))
            self.stats.flows_forgotten += self._nft.forget(stale)
        except NftError as error:
            self._log.warn("stale UDP flows may be left", error=error)


def _batches(keys: Sequence[str], size: int) -> Iterator[list[str]]:
    source = iter(keys)
    while batch := list(islice(source, size)):
        yield batch
