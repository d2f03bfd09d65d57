"""Watches Services and EndpointSlices and keeps the kernel's rules in sync with them, by one of the backends.

What must stay true:
- A change of one Service costs the planning of one Service, however many Services there are.
- A restarted agent finds its predecessor's rules, and connections go on: the agent waits until it knows all
  Services, and only then has the backend apply the differences.
- A refused change never ends the loop: all rules are synced as a whole, with back-off. A part that is refused even
  then is tried again later and delays no other change. Stale UDP flows are deleted for the parts that were done.
- Foreign changes are looked for at every period, and repaired.
- Settings change under traffic (`activebackend.py`).

Other users of the plans (metrics, health checks) read `Proxy`; they are not in the backends."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from fairlead.base.bulk import uncollected
from fairlead.base.clock import Clock
from fairlead.base.dataclass import dataclass, replace
from fairlead.base.log import Log
from fairlead.base.metrics import Family
from fairlead.net.errors import KernelError
from fairlead.proxy.planning.backend import Backend, Outcome, Source, UdpFrontend
from fairlead.proxy.planning.proxierconfig import ProxierConfig
from fairlead.proxy.settings.config import ProxyConfig
from fairlead.proxy.sync.activebackend import ActiveBackend, ProxyContext
from fairlead.proxy.sync.applied import AppliedRevision
from fairlead.proxy.sync.conntrack import destinations, stale_entries
from fairlead.proxy.sync.metrics import ProxyMetrics
from fairlead.proxy.sync.setup import set_up
from fairlead.runtime.backoff import Backoff
from fairlead.runtime.informer import InformerSet
from fairlead.runtime.services import ServiceView
from fairlead.service.node import NodeView

_PLANS_A_TURN = 500
"""Maximum of Services planned before other tasks of the process run, and changed in one transaction."""
_RETRY_BASE_S, _RETRY_CAP_S = 0.1, 30.0


@dataclass(slots=True)
class ProxyStats:
    """Counters since the start."""

    syncs: int = 0
    full_syncs: int = 0
    failures: int = 0
    changes: int = 0
    repairs: int = 0
    """Number of times that the table was found changed by a foreign program."""
    entries_deleted: int = 0
    last_sync_s: float = 0.0
    """Duration of the last sync, from reading the caches to the kernel's answer."""
    last_synced_at: float = 0.0
    """Time on the monotonic clock."""


class Proxy:
    """One node's proxy, in one address family, for the Services in `view`."""

    def __init__(self, context: ProxyContext, config: ProxyConfig, *, node: NodeView, clock: Clock, log: Log) -> None:
        self.view = ServiceView()
        self.stats = ProxyStats()
        self.metrics = ProxyMetrics(node.family.name)
        self.applied = AppliedRevision(lambda: self.view.pending)
        self.synced = asyncio.Event()
        """Set once the kernel's rules are complete for the first time."""
        self.on_repair: list[Callable[[int], object]] = []
        """Called with the number of rules and elements repaired after a foreign change."""
        self.on_planned: list[Callable[[Iterable[str]], object]] = []
        """Called with the Services, as `namespace/name`, that are planned anew."""
        self._context = context
        self._config = config
        self._setup = set_up(config, context.proxier, node)
        self.active = ActiveBackend(context, self._setup, log=log)
        self._node = node
        self._clock = clock
        self._log = log
        self._backoff = Backoff(base_s=_RETRY_BASE_S, cap_s=_RETRY_CAP_S, rng=random.Random(f"proxy {node.name}"))
        self._whole = True
        """The next sync reads the kernel's rules and corrects all of them."""
        self._next_check = 0.0
        self._leftovers = Backoff(base_s=_RETRY_BASE_S, cap_s=_RETRY_CAP_S, rng=random.Random(f"left {node.name}"))
        self._retry_at = math.inf
        """Time of the next full sync, if the kernel refused a part."""
        self._earliest = 0.0
        """Earliest time of the next change, if changes are applied together."""

    @property
    def node(self) -> NodeView:
        return self._node

    @property
    def mode(self) -> str:
        """The active mode, as in upstream's `/proxyMode`."""
        return self.active.setup.mode

    def families(self) -> list[Family]:
        """Returns all metrics of this address family."""
        families = list(self.metrics.families())
        if self.active.begun:
            failures, cleanups = self.stats.failures, self.active.cleanup_failures
            families += self._backend.families(self.metrics.labels, failures=failures, cleanup_failures=cleanups)
        return families

    def follow(self, informers: InformerSet) -> None:
        """Registers the handlers. Call this before the informers run."""
        self.view.follow(informers)
        self.applied.follow(informers)
        self.metrics.follow(informers, self._clock)

    def move(self, node: NodeView, proxier: ProxierConfig | None = None) -> None:
        """Follows a change of the node, such as to another zone: Services may have other endpoints then."""
        if node != self._node:
            self._node = node
            self.view.mark_all()
        if proxier is not None:
            self._context = replace(self._context, proxier=proxier)
        self._set_up()

    def configure(self, config: ProxyConfig) -> None:
        """Applies new settings. The present ones stay in force until the new rules are complete."""
        self._config = config
        self._set_up()

    def _set_up(self) -> None:
        setup = set_up(self._config, self._context.proxier, self._node)
        if setup != self._setup:
            self._setup = setup
            self.active.retry_refused()
            self.view.wake()

    async def run(self) -> None:
        """Runs until cancelled. Start it once the informers are synced."""
        left: set[str] = set()
        while True:
            # The first time, and after an error, a sync is due even if nothing changed.
            dirty = left | (self.view.drain() if self._whole else await self._changed())
            left = set()
            self.applied.begin()
            try:
                await self._activate()
                await self._sync(dirty)
            except KernelError as error:
                self.stats.failures += 1
                self._whole = True
                left = dirty
                pause = self._backoff.next()
                self._log.error("the kernel refused a change", error=error, retry_s=round(pause, 2))
                await asyncio.sleep(pause)
            else:
                self._backoff.reset()
                self.applied.end()
                self.synced.set()

    async def _changed(self) -> set[str]:
        """Waits for changes and returns them; empty if a check or a retry is due."""
        retry = self._retry_at <= self._next_check
        try:
            async with asyncio.timeout(max(min(self._next_check, self._retry_at) - self._clock.monotonic(), 0.0)):
                await self.view.wait()
        except TimeoutError:
            self._whole = retry
            return set()
        pause = self._earliest - self._clock.monotonic()
        if pause > 0:
            await asyncio.sleep(pause)
        return self.view.drain()

    async def _activate(self) -> None:
        """Applies the settings, if they are not in force yet."""
        desired, now = self._setup, self.active
        if not now.begun:
            now.begin(desired)
        elif now.is_due(desired):
            if now.change(desired):
                self._next_check = self._clock.monotonic()
                return
            self._whole = True
            outcome = await now.switch(desired, self._fill)
            if outcome is not None:
                self._whole = False
                self._done(outcome)

    async def _fill(self, backend: Backend) -> None:
        """Passes all Services to a new backend."""
        for some in _batches(sorted(self.view.keys()), _PLANS_A_TURN):
            backend.plan(self._sources(some), node=self._node)
            await asyncio.sleep(0)

    async def _sync(self, dirty: set[str]) -> None:
        start = self._clock.monotonic()
        check = start >= self._next_check
        whole, pending = self._whole, self.metrics.begin()
        try:
            await self._apply(dirty, check=check)
        except KernelError:
            self.metrics.put_back(pending)
            raise
        if whole or check:
            await self.active.clean()
        if check:
            self._next_check = start + self.active.setup.sync_s
            self.active.retry_refused()
            self._delete_stale(None)
        self._earliest = start + self.active.setup.min_sync_s
        self.stats.syncs += 1
        self.stats.last_synced_at = self._clock.monotonic()
        self.stats.last_sync_s = self.stats.last_synced_at - start
        if whole or dirty:
            self.metrics.end(pending, self.stats.last_sync_s, full=whole, clock=self._clock)

    async def _apply(self, dirty: set[str], *, check: bool) -> None:
        if self._whole:
            await self._sync_all(dirty)
        else:
            if check and self._backend.touched():
                await self._repair()
            for some in _batches(sorted(dirty), _PLANS_A_TURN):
                self._plan(some)
                outcome = await self._backend.apply()
                self._done(outcome)
                if outcome.refused is not None:
                    raise outcome.refused
        if check:
            await self._backend.tidy()

    @property
    def _backend(self) -> Backend:
        return self.active.backend

    async def _sync_all(self, dirty: set[str]) -> None:
        with uncollected():
            for some in _batches(sorted(dirty), _PLANS_A_TURN):
                self._plan(some)
                await asyncio.sleep(0)
            outcome = await self._resync()
        self.active.apply_localnet()
        self.stats.full_syncs += 1
        self._log.info("rules equal the plan", services=self._backend.services, changes=outcome.changes)

    async def _resync(self) -> Outcome:
        self._whole = True
        outcome = await self._backend.resync()
        self._done(outcome)
        if outcome.given_up and outcome.refused is not None:
            raise outcome.refused
        self._whole = False
        self._plan_retry(outcome.refused)
        return outcome

    def _plan_retry(self, refused: KernelError | None) -> None:
        """Schedules another try for a part that was refused alone; all other rules are in sync."""
        if refused is None:
            self._leftovers.reset()
            self._retry_at = math.inf
            return
        self.stats.failures += 1
        pause = self._leftovers.next()
        self._retry_at = self._clock.monotonic() + pause
        self._log.error("the kernel refused a part of the rules", error=refused, retry_s=round(pause, 2))

    async def _repair(self) -> None:
        """Checks the rules after a foreign transaction, which may have concerned other rules only."""
        outcome = await self._resync()
        if not outcome.anything:
            return
        count = outcome.changes + outcome.structure
        self.stats.repairs += 1
        self._log.warn("another program changed the rules: repaired", changes=count, replaced=outcome.replaced)
        for tell in self.on_repair:
            tell(count)

    def _plan(self, keys: Iterable[str]) -> None:
        changed = self._sources(keys)
        self.metrics.planned(self._backend.plan(changed, node=self._node))
        for tell in self.on_planned:
            tell(changed)

    def _sources(self, keys: Iterable[str]) -> dict[str, Source]:
        view = self.view
        return {key: Source(view.service(key), view.slices(key)) for key in keys}

    def _done(self, outcome: Outcome) -> None:
        self.stats.changes += outcome.changes
        if outcome.frontends:
            self._delete_stale(outcome.frontends)

    def _delete_stale(self, changed: frozenset[UdpFrontend] | None) -> None:
        """Deletes stale flows, among all flows or those of changed frontends."""
        start = self._clock.monotonic()
        ours = destinations(self._node, self.active.setup.proxier)
        try:
            flows = self._context.flows.flows(self._node.family.table)
            deleted = self._context.flows.delete_flows(list(stale_entries(flows, self._backend, ours, changed=changed)))
        except KernelError as error:
            self._log.warn("cannot delete stale UDP flows: some may remain", error=error)
            return
        self.stats.entries_deleted += deleted
        self.metrics.reconciled(self._clock.monotonic() - start, deleted)


def _batches(keys: Sequence[str], size: int) -> Iterator[list[str]]:
    source = iter(keys)
    while batch := list(islice(source, size)):
        yield batch
