"""Watches Services and EndpointSlices and keeps the kernel's rules as they say, by one of the backends.

What must stay true:
- A change of one Service costs the planning of one Service, however many Services there are.
- An agent that comes back finds the rules of the one before it, and the connections go on: it waits until it knows all
  Services, and only then has the backend make the differences.
- A refused change is never the end: all is brought in line as a whole, with back-off.
- Somebody else's change is looked for at every period, and repaired.
- On a change of settings the new rules are complete before the old ones go; where the new ones cannot be had the old
  ones stay. What another mode left, also one that was killed in the middle of a switch, is removed after the first
  sync.

Other users of the plans (metrics, health checks) read `Proxy`; they are not in the backends.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from fairlead.base.clock import Clock
from fairlead.base.log import Log
from fairlead.base.tasks import run_all
from fairlead.net.conntrack.model import FlowTable
from fairlead.net.errors import KernelRefused
from fairlead.net.family import IPV4
from fairlead.proxy.backend import Backend, Metric, Outcome, Source, UdpFrontend
from fairlead.proxy.config import ProxyConfig
from fairlead.proxy.endpoints import NodeView
from fairlead.proxy.flows import stale_flows, surroundings
from fairlead.proxy.metrics import ProxyMetrics
from fairlead.proxy.setup import Setup, set_up
from fairlead.proxy.site import Site
from fairlead.runtime.backoff import Backoff
from fairlead.runtime.informer import InformerSet
from fairlead.runtime.services import ServiceView

_PLANS_A_TURN = 500
"""Services planned before other tasks of the process get their turn, and changed in one transaction."""
_RETRY_BASE_S, _RETRY_CAP_S = 0.1, 30.0


@dataclass(slots=True)
class ProxyStats:
    """Counters since the start."""

    syncs: int = 0
    full_syncs: int = 0
    failures: int = 0
    changes: int = 0
    repairs: int = 0
    """How often the table was not as this proxy had left it."""
    switches: int = 0
    """How often other settings came into force."""
    cleanup_failures: int = 0
    """How often another mode's rules could not be removed."""
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


Makers = Mapping[str, Callable[[Site], Backend]]
"""A new backend, by mode. They raise KernelRefused where the mode cannot be had here."""


@dataclass(frozen=True, slots=True)
class Around:
    """What a proxy works in: one network namespace, in one address family."""

    site: Site
    """As it is without settings."""
    makers: Makers
    flows: FlowTable
    route_localnet: Callable[[bool], object]
    """Has the kernel let packets between 127.0.0.0/8 and the network pass, or not. Raises KernelRefused."""


class Proxy:
    """One node's proxy, in one address family. It does what `view` says."""

    def __init__(self, around: Around, config: ProxyConfig, *, node: NodeView, clock: Clock, log: Log) -> None:
        self.view = ServiceView()
        self.stats = ProxyStats()
        self.metrics = ProxyMetrics(node.family.name)
        self.synced = asyncio.Event()
        """Set once the kernel's rules are complete for the first time."""
        self.on_repair: list[Callable[[int], object]] = []
        """Called with the number of rules and elements that somebody else had changed."""
        self.on_refused: list[Callable[[Setup, KernelRefused], object]] = []
        """Called with settings that cannot be put into force, once for each: the old ones stay."""
        self.on_planned: list[Callable[[Iterable[str]], object]] = []
        """Called with the Services, as `namespace/name`, that are planned anew."""
        self._around = around
        self._config = config
        self._setup = self._in_force = set_up(config, around.site, node)
        self._backend: Backend | None = None
        self._refused: Setup | None = None
        """Settings that were tried and cannot be had; tried again at every look."""
        self._told: Setup | None = None
        self._stale: list[Backend] = []
        """Whose rules are to go: other modes'."""
        self._node = node
        self._clock = clock
        self._log = log
        self._backoff = Backoff(base_s=_RETRY_BASE_S, cap_s=_RETRY_CAP_S, rng=random.Random(f"proxy {node.name}"))
        self._whole = True
        """The kernel's rules are to be read, and all of them brought in line."""
        self._next_check = 0.0
        self._earliest = 0.0
        """When the next change may be made, where changes are to be made together."""

    @property
    def node(self) -> NodeView:
        return self._node

    @property
    def mode(self) -> str:
        """As upstream's `/proxyMode` says it: the one in force."""
        return self._in_force.mode

    def samples(self) -> list[Metric]:
        """All that Prometheus is told."""
        found = list(self.metrics.samples())
        if self._backend is not None:
            failures, cleanups = self.stats.failures, self.stats.cleanup_failures
            found += self._backend.samples(self.metrics.labels, failures=failures, cleanup_failures=cleanups)
        return found

    def follow(self, informers: InformerSet) -> None:
        """Before the informers run."""
        self.view.follow(informers)
        self.metrics.follow(informers, self._clock)

    def move(self, node: NodeView, site: Site | None = None) -> None:
        """The node is not what it was, such as in another zone: Services may have other endpoints."""
        if node != self._node:
            self._node = node
            self.view.mark_all()
        if site is not None:
            self._around = replace(self._around, site=site)
        self._set_up()

    def configure(self, config: ProxyConfig) -> None:
        """From now on as `config` says. What is in force stays until the new rules are complete."""
        self._config = config
        self._set_up()

    def _set_up(self) -> None:
        setup = set_up(self._config, self._around.site, self._node)
        if setup != self._setup:
            self._setup, self._refused = setup, None
            self.view.wake()

    async def run(self) -> None:
        """For ever. Start it once the informers are synced."""
        left: set[str] = set()
        while True:
            # The first time, and after an error, there is something to do even if nothing changed.
            dirty = left | (self.view.take() if self._whole else await self._changed())
            left = set()
            try:
                await self._put_in_force()
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
                await self.view.wait()
        except TimeoutError:
            return set()
        pause = self._earliest - self._clock.monotonic()
        if pause > 0:
            await asyncio.sleep(pause)
        return self.view.take()

    async def _put_in_force(self) -> None:
        """The settings, where they are not yet."""
        wanted = self._setup
        if self._backend is None:
            self._begin()
        elif wanted not in (self._in_force, self._refused):
            if (wanted.mode, wanted.site) != (self._in_force.mode, self._in_force.site):
                await self._switch(wanted)
            else:
                self._in_force = wanted
                self._next_check = self._clock.monotonic()

    def _begin(self) -> None:
        """A backend for the first time; another mode's where the wanted one cannot be had: better than no rules."""
        wanted = self._setup
        others = [mode for mode in self._around.makers if mode != wanted.mode]
        for mode in (wanted.mode, *others):
            try:
                self._backend = self._around.makers[mode](wanted.site)
            except KernelRefused as error:
                self._refuse(wanted, error)
                continue
            self._in_force = replace(wanted, mode=mode)
            self._retire(mode)
            return
        raise KernelRefused("no mode of the proxy can be had here")

    def _retire(self, mode: str) -> None:
        """Whatever there may be of other modes is to go."""
        for other, make in self._around.makers.items():
            if other != mode:
                with contextlib.suppress(KernelRefused):
                    self._stale.append(make(self._in_force.site))

    async def _switch(self, wanted: Setup) -> None:
        """The new rules are complete before the old ones go."""
        new = None
        try:
            new = self._around.makers[wanted.mode](wanted.site)
            for some in _batches(sorted(self.view.keys()), _PLANS_A_TURN):
                new.take(self._sources(some), node=self._node)
                await asyncio.sleep(0)
            if self._in_force.site.localhost and not wanted.site.localhost:
                # The rules that kept others from the node's loopback are about to go.
                self._around.route_localnet(False)
            outcome = await new.resync()
            if wanted.site.localhost:
                self._around.route_localnet(True)
        except KernelRefused as error:
            self._refuse(wanted, error)
            if new is not None and wanted.mode != self._in_force.mode:
                self._stale.append(new)
            # The mirror of a backend of the same mode may be wrong now.
            self._whole = True
            return
        self._log.info("settings in force", mode=wanted.mode, services=new.services, changes=outcome.changes)
        self._stale = []
        self._backend, self._in_force, self._whole = new, wanted, False
        self._retire(wanted.mode)
        self._done(outcome)
        await self._clean()
        self.stats.switches += 1

    def _refuse(self, wanted: Setup, error: KernelRefused) -> None:
        self._refused = wanted
        if self._told != wanted:
            self._told = wanted
            self._log.error("the settings cannot be put into force", mode=wanted.mode, error=error)
            for tell in self.on_refused:
                tell(wanted, error)

    async def _clean(self) -> None:
        """Removes what other modes left, or leaves it for the next look."""
        stale, self._stale = self._stale, []
        for backend in stale:
            try:
                if await backend.cleanup():
                    self._log.info("rules removed", mode=backend.mode)
            except KernelRefused as error:
                self.stats.cleanup_failures += 1
                self._stale.append(backend)
                self._log.warn("rules of another mode may be left", mode=backend.mode, error=error)

    async def _sync(self, dirty: set[str]) -> None:
        start = self._clock.monotonic()
        check = start >= self._next_check
        whole, pending = self._whole, self.metrics.begin()
        try:
            await self._bring(dirty, check=check)
        except KernelRefused:
            self.metrics.put_back(pending)
            raise
        if self._stale and (whole or check):
            await self._clean()
        if check:
            self._next_check = start + self._in_force.sync_s
            self._refused = None
            self._forget_stale(None)
        self._earliest = start + self._in_force.min_sync_s
        self.stats.syncs += 1
        self.stats.last_synced_at = self._clock.monotonic()
        self.stats.last_sync_s = self.stats.last_synced_at - start
        if whole or dirty:
            self.metrics.end(pending, self.stats.last_sync_s, full=whole, clock=self._clock)

    async def _bring(self, dirty: set[str], *, check: bool) -> None:
        if self._whole:
            await self._sync_all(dirty)
        else:
            if check and self._used.touched():
                await self._repair()
            for some in _batches(sorted(dirty), _PLANS_A_TURN):
                self._take(some)
                self._done(await self._used.apply())
            if check:
                await self._used.tidy()

    @property
    def _used(self) -> Backend:
        assert self._backend is not None
        return self._backend

    async def _sync_all(self, dirty: set[str]) -> None:
        for some in _batches(sorted(dirty), _PLANS_A_TURN):
            self._take(some)
            await asyncio.sleep(0)
        outcome = await self._bring_in_line()
        if self._node.family is IPV4:
            self._around.route_localnet(self._in_force.site.localhost)
        self.stats.full_syncs += 1
        self._log.info("rules in line", services=self._used.services, changes=outcome.changes)

    async def _bring_in_line(self) -> Outcome:
        self._whole = True
        outcome = await self._used.resync()
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
        changed = self._sources(keys)
        self.metrics.planned(self._used.take(changed, node=self._node))
        for tell in self.on_planned:
            tell(changed)

    def _sources(self, keys: Iterable[str]) -> dict[str, Source]:
        view = self.view
        return {key: Source(view.service(key), view.slices(key)) for key in keys}

    def _done(self, outcome: Outcome) -> None:
        self.stats.changes += outcome.changes
        self._forget_stale(outcome.frontends)

    def _forget_stale(self, changed: frozenset[UdpFrontend] | None) -> None:
        """Among all flows, or those of frontends that changed."""
        if changed is not None and not changed:
            return
        start = self._clock.monotonic()
        around = surroundings(self._node, self._in_force.site)
        try:
            flows = self._around.flows.flows(self._node.family.table)
            forgotten = self._around.flows.forget(list(stale_flows(flows, self._used, around, changed=changed)))
        except KernelRefused as error:
            self._log.warn("stale UDP flows may be left", error=error)
            return
        self.stats.flows_forgotten += forgotten
        self.metrics.reconciled(self._clock.monotonic() - start, forgotten)


def _batches(keys: Sequence[str], size: int) -> Iterator[list[str]]:
    source = iter(keys)
    while batch := list(islice(source, size)):
        yield batch
