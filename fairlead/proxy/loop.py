"""Watches Services and EndpointSlices and keeps the kernel's rules as they say, by one of the backends.

What must stay true:
- A change of one Service costs the planning of one Service, however many Services there are.
- An agent that comes back finds the rules of the one before it, and the connections go on: it waits until it knows all
  Services, and only then has the backend make the differences.
- A refused change is never the end: all is brought in line as a whole, with back-off.
- Somebody else's change is looked for at every period, and repaired.

Other users of the plans (metrics, health checks) read `Proxy`; they are not in the backends.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from fairlead.base.clock import Clock
from fairlead.base.log import Log
from fairlead.base.tasks import run_all
from fairlead.net.conntrack.model import FlowTable
from fairlead.net.errors import KernelRefused
from fairlead.proxy.backend import Backend, Metric, Outcome, Source, UdpFrontend
from fairlead.proxy.endpoints import NodeView
from fairlead.proxy.flows import stale_flows, surroundings
from fairlead.proxy.metrics import ProxyMetrics
from fairlead.proxy.site import Site
from fairlead.runtime.backoff import Backoff
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
        backend: Backend,
        *,
        node: NodeView,
        site: Site,
        flows: FlowTable,
        clock: Clock,
        log: Log,
    ) -> None:
        self.view = ServiceView()
        self.stats = ProxyStats()
        self.metrics = ProxyMetrics(node.family.name)
        self.synced = asyncio.Event()
        """Set once the kernel's rules are complete for the first time."""
        self.on_repair: list[Callable[[int], object]] = []
        """Called with the number of rules and elements that somebody else had changed."""
        self.on_planned: list[Callable[[Iterable[str]], object]] = []
        """Called with the Services, as `namespace/name`, that are planned anew."""
        self._backend = backend
        self._node = node
        self._site = site
        self._flows = flows
        self._clock = clock
        self._log = log
        self._backoff = Backoff(base_s=_RETRY_BASE_S, cap_s=_RETRY_CAP_S, rng=random.Random(f"proxy {node.name}"))
        self._whole = True
        """The kernel's rules are to be read, and all of them brought in line."""
        self._next_check = 0.0

    @property
    def node(self) -> NodeView:
        return self._node

    @property
    def mode(self) -> str:
        """As upstream's `/proxyMode` says it."""
        return self._backend.mode

    def samples(self) -> list[Metric]:
        """All that Prometheus is told."""
        found = list(self.metrics.samples())
        return found + list(
            self._backend.samples(self.metrics.labels, failures=self.stats.failures, cleanup_failures=0)
        )

    def follow(self, informers: InformerSet) -> None:
        """Before the informers run."""
        self.view.follow(informers)
        self.metrics.follow(informers, self._clock)

    def move(self, zone: str) -> None:
        """The node is in another zone: Services with hints may have other endpoints."""
        if zone != self._node.zone:
            self._node = replace(self._node, zone=zone)
            self.view.mark_all()

    async def run(self) -> None:
        """For ever. Start it once the informers are synced."""
        left: set[str] = set()
        while True:
            # The first time, and after an error, there is something to do even if nothing changed.
            dirty = left | (self.view.take() if self._whole else await self._changed())
            left = set()
            try:
                await self._sync(dirty)
            except KernelRefused as error:
                self.stats.failures += 1
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
        except KernelRefused:
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
            if check and self._backend.touched():
                await self._repair()
            for some in _batches(sorted(dirty), _PLANS_A_TURN):
                self._take(some)
                self._done(await self._backend.apply())

    async def _sync_all(self, dirty: set[str]) -> None:
        for some in _batches(sorted(dirty), _PLANS_A_TURN):
            self._take(some)
            await asyncio.sleep(0)
        outcome = await self._bring_in_line()
        self.stats.full_syncs += 1
        self._log.info("rules in line", services=self._backend.services, changes=outcome.changes)

    async def _bring_in_line(self) -> Outcome:
        self._whole = True
        outcome = await self._backend.resync()
        self._whole = False
        self._done(outcome)
        return outcome

    async def _repair(self) -> None:
        """Somebody did something; it may have been about other rules only."""
        outcome = await self._bring_in_line()
        if not outcome.anything:
            return
        count = outcome.changes + outcome.structure
        self.stats.repairs += 1
        self._log.warn("somebody else changed the rules: repaired", changes=count, replaced=outcome.replaced)
        for tell in self.on_repair:
            tell(count)

    def _take(self, keys: Iterable[str]) -> None:
        view = self.view
        changed = {key: Source(view.service(key), view.slices(key)) for key in keys}
        self.metrics.planned(self._backend.take(changed, node=self._node))
        for tell in self.on_planned:
            tell(changed)

    def _done(self, outcome: Outcome) -> None:
        self.stats.changes += outcome.changes
        self._forget_stale(outcome.frontends)

    def _forget_stale(self, changed: frozenset[UdpFrontend] | None) -> None:
        """Among all flows, or those of frontends that changed."""
        if changed is not None and not changed:
            return
        start = self._clock.monotonic()
        around = surroundings(self._node, self._site)
        try:
            flows = self._flows.flows(self._node.family.table)
            forgotten = self._flows.forget(list(stale_flows(flows, self._backend, around, changed=changed)))
        except KernelRefused as error:
            self._log.warn("stale UDP flows may be left", error=error)
            return
        self.stats.flows_forgotten += forgotten
        self.metrics.reconciled(self._clock.monotonic() - start, forgotten)


def _batches(keys: Sequence[str], size: int) -> Iterator[list[str]]:
    source = iter(keys)
    while batch := list(islice(source, size)):
        yield batch
