"""Watches Services and EndpointSlices and keeps the kernel's table as they say.

What must stay true:
- A change of one Service costs the planning of one Service and one small transaction, however many Services there are.
- An agent that comes back finds the table of the one before it, and the connections go on: it reads the table first,
  waits until it knows all Services, and only then makes the differences, what is new before what is stale.
- A refused transaction is never the end: the table is read again and brought in line as a whole, with back-off.
- Somebody else's change is noticed by the kernel's count of transactions, which costs nothing, and only then is the
  table read and repaired. Other tables are never touched.

Other users of the plan (metrics, health checks) read `Proxy`; they are not in the planner.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address
from itertools import islice

from fairlead.base.clock import Clock
from fairlead.base.log import Log
from fairlead.base.tasks import run_all
from fairlead.net.model import ClusterNetwork
from fairlead.net.nft.model import Nft, NftError, Transaction
from fairlead.proxy.endpoints import NodeView
from fairlead.proxy.flows import Surroundings, changed_frontends, stale_flows
from fairlead.proxy.ledger import Ledger
from fairlead.proxy.metrics import Metric, ProxyMetrics
from fairlead.proxy.plan import NOTHING, ServicePlan, node_view, plan_service
from fairlead.proxy.rules import TABLE, Options, fixed_table, service_range
from fairlead.runtime.backoff import Backoff
from fairlead.runtime.client import Client
from fairlead.runtime.informer import InformerSet
from fairlead.runtime.services import ServiceView

_PLANS_A_TURN = 500
"""Services planned before other tasks of the process get their turn, and changed in one transaction."""
_RETRY_BASE_S, _RETRY_CAP_S = 0.1, 30.0
SYNC_PERIOD_S = 30.0
"""How often the proxy looks whether somebody else changed its table, and whether a flow was missed."""


@dataclass(slots=True)
class ProxyStats:
    """Counters since the start."""

    syncs: int = 0
    full_syncs: int = 0
    failures: int = 0
    changes: int = 0
    repairs: int = 0
    """How often the table was not as this proxy had left it."""
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
    proxy.follow(informers)

    async def work() -> None:
        await informers.wait_synced()
        await proxy.run()

    await run_all(informers.run(), work())


class Proxy:
    """One node's proxy, in one address family. It does what `view` says."""

    def __init__(
        self,
        *,
        node: NodeView,
        network: ClusterNetwork,
        nft: Nft,
        clock: Clock,
        log: Log,
        options: Options | None = None,
    ) -> None:
        self.view = ServiceView()
        self.stats = ProxyStats()
        self.metrics = ProxyMetrics(node.family.name)
        self.synced = asyncio.Event()
        """Set once the kernel's table is complete for the first time."""
        self.on_repair: list[Callable[[int], object]] = []
        """Called with the number of elements and chains that somebody else had changed."""
        self.on_planned: list[Callable[[Iterable[str]], object]] = []
        """Called with the Services, as `namespace/name`, that are planned anew."""
        self._node = node
        self._nft = nft
        self._clock = clock
        self._log = log
        self._ledger = Ledger(fixed_table(network, family=node.family, options=options))
        self._around = Surroundings(frozenset(node.addresses), service_range(network, node.family))
        self._backoff = Backoff(base_s=_RETRY_BASE_S, cap_s=_RETRY_CAP_S, rng=random.Random(f"proxy {node.name}"))
        self._whole = True
        """The kernel's table is to be read, and all of it brought in line."""
        self._generation = 0
        """The kernel's count of transactions, had nobody else made any."""
        self._next_check = 0.0

    @property
    def node(self) -> NodeView:
        return self._node

    @property
    def ledger(self) -> Ledger:
        return self._ledger

    @property
    def mode(self) -> str:
        """As upstream's `/proxyMode` says it."""
        return "nftables"

    def samples(self) -> list[Metric]:
        """All that Prometheus is told."""
        try:
            counters = self._nft.counters(TABLE, self._node.family.table)
        except NftError:
            counters = {}
        return list(self.metrics.samples(counters))

    def follow(self, informers: InformerSet) -> None:
        """Before the informers run."""
        self.view.follow(informers)
        self.metrics.follow(informers, self._clock)

    def move(self, zone: str) -> None:
        """The node is in another zone: Services with hints may have other endpoints."""
        if zone != self._node.zone:
            self._node = replace(self._node, zone=zone)
            for key in list(self._ledger.plans):
                service = self.view.service(key)
                self.view.service_changed(key, service, service)

    async def run(self) -> None:
        """For ever. Start it once the informers are synced."""
        left: set[str] = set()
        while True:
            # The first time, and after an error, there is something to do even if nothing changed.
            dirty = left | (self.view.take() if self._whole else await self._changed())
            left = set()
            try:
                await self._sync(dirty)
            except NftError as error:
                self.stats.failures += 1
                self.metrics.failures += 1
                self._whole = True
                left = dirty
                pause = self._backoff.next()
                self._log.error("the kernel refused a change", error=error, retry_s=round(pause, 2))
                await asyncio.sleep(pause)
            else:
                self._backoff.reset()
                self.synced.set()

    async def _changed(self) -> set[str]:
        """What changed; empty where it is time for a check."""
        try:
            async with asyncio.timeout(max(self._next_check - self._clock.monotonic(), 0.0)):
                return await self.view.changed()
        except TimeoutError:
            return set()

    async def _sync(self, dirty: set[str]) -> None:
        start = self._clock.monotonic()
        check = start >= self._next_check
        whole, pending = self._whole, self.metrics.begin()
        try:
            await self._bring(dirty, check=check)
        except NftError:
            self.metrics.put_back(pending)
            raise
        if check:
            self._next_check = start + SYNC_PERIOD_S
            self._forget_stale(None)
        self.stats.syncs += 1
        self.stats.last_synced_at = self._clock.monotonic()
        self.stats.last_sync_s = self.stats.last_synced_at - start
        if whole or dirty:
            self.metrics.end(pending, self.stats.last_sync_s, full=whole, clock=self._clock)

    async def _bring(self, dirty: set[str], *, check: bool) -> None:
        if self._whole:
            await self._sync_all(dirty)
        else:
            if check and self._nft.generation() != self._generation:
                await self._repair()
            for some in _batches(sorted(dirty), _PLANS_A_TURN):
                transaction = self._ledger.take(self._plans(some))
                await self._apply(transaction)
                self._forget_stale(changed_frontends(transaction.changes))

    async def _sync_all(self, dirty: set[str]) -> None:
        for some in _batches(sorted(dirty), _PLANS_A_TURN):
            self._ledger.take(self._plans(some))
            await asyncio.sleep(0)
        transaction = await self._bring_in_line()
        self.stats.full_syncs += 1
        self._log.info("table in line", services=self._ledger.services, changes=len(transaction.changes))

    async def _bring_in_line(self) -> Transaction:
        self._whole = True
        self._generation = self._nft.generation()
        self._ledger.found(self._nft.read(TABLE, self._node.family.table))
        transaction = self._ledger.resync()
        await self._apply(transaction)
        self._whole = False
        self._forget_stale(changed_frontends(transaction.changes))
        return transaction

    async def _repair(self) -> None:
        """Somebody made a transaction; it may have been about other tables only."""
        transaction = await self._bring_in_line()
        if not transaction:
            return
        count = len(transaction.changes) + len(transaction.chains) + len(transaction.rewrite)
        self.stats.repairs += 1
        self._log.warn("somebody else changed the table: repaired", changes=count, replaced=bool(transaction.replace))
        for tell in self.on_repair:
            tell(count)

    def _plans(self, keys: Iterable[str]) -> dict[str, ServicePlan]:
        view, node, before = self.view, self._node, self._ledger.plans
        plans = {
            key: plan_service(view.service(key), view.slices(key), node=node, before=before.get(key, NOTHING))
            for key in keys
        }
        self.metrics.planned(plans)
        for tell in self.on_planned:
            tell(plans)
        return plans

    async def _apply(self, transaction: Transaction) -> None:
        structure = False
        for part in transaction.split():
            self._nft.run(part)
            self._generation += 1
            self._ledger.done(part)
            self.stats.changes += len(part.changes)
            structure = structure or part.structure
            await asyncio.sleep(0)
        if structure:
            self._ledger.learn(self._nft.rules(TABLE, self._node.family.table))

    def _forget_stale(self, changed: frozenset[str] | None) -> None:
        """Among all flows, or those of frontends that changed."""
        if changed is not None and not changed:
            return
        start = self._clock.monotonic()
        try:
            flows = self._nft.flows(self._node.family.table)
            stale = stale_flows(flows, self._ledger, self._around, changed=changed)
            forgotten = self._nft.forget(list(stale))
        except NftError as error:
            self._log.warn("stale UDP flows may be left", error=error)
            return
        self.stats.flows_forgotten += forgotten
        self.metrics.reconciled(self._clock.monotonic() - start, forgotten)


def _batches(keys: Sequence[str], size: int) -> Iterator[list[str]]:
    source = iter(keys)
    while batch := list(islice(source, size)):
        yield batch
