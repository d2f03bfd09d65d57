"""Keeps each address on the node that must announce it.

What must stay true:
- Nodes call on the fabric every 0.35 s. A node without a call for 1.3 s announces nothing any more: the next node takes
  over at once and sends gratuitous ARP. An agent that is killed and restarted (0.2 s) keeps its addresses.
- The addresses of an agent that hangs expire (their lifetime), so that two nodes do not answer for long.
- If the API server is unreachable nothing changes: the last known state stays in force.
- A cluster without a load balancer's address costs nothing: no timer, no frame.
- On the machines' network, where no object lists the members, a new member listens for two calls before it announces an
  address. Meanwhile its calls say that it joins: nodes that join at the same time count each other, and nodes that have
  addresses do not release them yet.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from typing import Protocol

from fairlead.api.core.node.kind import NODE, Node
from fairlead.api.core.service.kind import SERVICE, Service
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE, EndpointSlice
from fairlead.base.log import Log
from fairlead.loadbalancer.announcer.model import Call
from fairlead.loadbalancer.announcer.plan import (
    FABRIC,
    DesiredAddress,
    Link,
    addresses,
    announcers,
    desired_addresses,
    why_not,
)
from fairlead.runtime.informer import InformerSet
from fairlead.service.frontends import keeps_external_traffic
from fairlead.service.members import is_proxied, service_of

CALL_EVERY_S = 0.35
SILENT_AFTER_S = 1.3
LIFETIME_S = 3
"""Lifetime of an address that another node would take over."""
LONG_LIFETIME_S = 15
"""Lifetime of an address that no other node may announce."""
_LISTEN_S = 0.7
"""Seconds of listening on the machines' network before the first address is announced."""
_JOINED_TOGETHER_S = 1.0
"""Seconds after joining during which a node counts others that join, until their ordinary calls arrive."""
_ALONE_EVERY_S = 5.0
"""Seconds between beats if there are no other nodes."""
_REPEATS = 5
"""Number of beats after a move that repeat the announcement: a host that asked just before has the old answer."""


class Segment(Protocol):
    """A node's link to the fabric: `run.Leg`, or `fake.FakeLeg`."""

    def fileno(self) -> int: ...
    def receive(self) -> list[Call]: ...
    def call(self, call: Call) -> None: ...
    def add(self, addresses: Iterable[str], lifetime_s: int) -> None: ...
    def delete(self, addresses: Iterable[str]) -> None: ...
    def announce(self, addresses: Iterable[str]) -> None: ...


async def run(informers: InformerSet, *, node_name: str, segment: Segment, link: Link = FABRIC, log: Log) -> None:
    """Runs until cancelled. The caller runs the informers after this has started."""
    announcer = Announcer(node_name=node_name, segment=segment, link=link, log=log)
    announcer.follow(informers)
    await informers.wait_synced()
    await announcer.run()


class Announcer:
    """Announces load-balancer addresses for one node. `held`: the addresses announced now."""

    def __init__(self, *, node_name: str, segment: Segment, link: Link = FABRIC, log: Log) -> None:
        self.announced: dict[str, int] = {}
        """Address -> number of beats that still repeat the announcement."""
        self._name = node_name
        self._segment = segment
        self._link = link
        self._listens_until = 0.0
        self._joining: dict[str, float] = {}
        """Like `_heard`, for nodes that are joining."""
        self._knows_previous = bool(link.existing)
        self._log = log
        self._nodes: dict[str, bool] = {}
        """Node name -> whether the node may announce."""
        self._heard: dict[str, float] = {}
        self._desired: dict[str, tuple[DesiredAddress, ...]] = {}
        self._local: dict[str, Service] = {}
        """Services with externalTrafficPolicy Local: only nodes with ready endpoints may announce these."""
        self._pieces: dict[str, dict[str, EndpointSlice]] = {}
        """The EndpointSlices of the Services in `_local`."""
        self._all_slices: Mapping[str, EndpointSlice] = {}
        self._wake = asyncio.Event()

    def follow(self, informers: InformerSet) -> None:
        slices = informers.of(ENDPOINT_SLICE)
        self._all_slices = slices.items
        informers.of(NODE).add_handler(self.node_changed)
        informers.of(SERVICE).add_handler(self.service_changed)
        slices.add_handler(self.slice_changed)

    def node_changed(self, key: str, _: Node | None, new: Node | None) -> None:
        before = dict(self._nodes)
        if new is None:
            self._nodes.pop(key, None)
        else:
            reason = why_not(new, unreported=not self._link.is_fabric)
            self._nodes[key] = not reason
            if key == self._name and not self._link.is_fabric:
                self._report(reason, allowed_before=before.get(key, True))
        if self._nodes != before:
            self._wake.set()

    def _report(self, reason: str, *, allowed_before: bool) -> None:
        """Logs whether a machine takes part, for the person who reads the output of `fairlead announce`."""
        if reason and allowed_before:
            self._log.warn("announces no address", node=self._name, reason=reason)
        elif not reason and not allowed_before:
            self._log.info("may announce addresses again", node=self._name)

    def service_changed(self, key: str, _: Service | None, new: Service | None) -> None:
        if new is None or not any(map(self._link.covers, addresses(new))):
            if self._desired.pop(key, None) is not None:
                self._wake.set()
            self._local.pop(key, None)
            self._pieces.pop(key, None)
            return
        if not keeps_external_traffic(new):
            self._local.pop(key, None)
            self._pieces.pop(key, None)
        elif key not in self._pieces:
            self._pieces[key] = {
                name: piece
                for name, piece in self._all_slices.items()
                if service_of(piece) == key and is_proxied(piece)
            }
            self._local[key] = new
        else:
            self._local[key] = new
        self._update_desired(key, new)

    def slice_changed(self, key: str, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        if not self._local:
            return
        for piece in (old, new):
            service = service_of(piece) if piece is not None else ""
            if service in self._local:
                self._pieces[service].pop(key, None)
                if new is not None and is_proxied(new) and service == service_of(new):
                    self._pieces[service][key] = new
                self._update_desired(service, self._local[service])

    async def run(self) -> None:
        """Runs until cancelled. Start it once the informers are synced."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._segment.fileno(), self._receive)
        next_beat = self._begin()
        try:
            while True:
                if not self._desired and not self.announced:
                    await self._wake.wait()
                    self._wake.clear()
                    if not self._desired:
                        continue
                    self._heard.clear()  # without addresses the nodes did not call
                    next_beat = self._begin()
                elif next_beat > loop.time():
                    await self._woken_before(next_beat)
                late_s = loop.time() - next_beat
                if late_s > SILENT_AFTER_S - CALL_EVERY_S:
                    self.announced.clear()  # this process was stopped, and others have taken over
                self._turn(beat=late_s >= 0)
                if late_s >= 0:
                    next_beat = loop.time() + self._pause_s()
        finally:
            loop.remove_reader(self._segment.fileno())

    def _begin(self) -> float:
        """Restarts listening and returns the time of the first beat: now."""
        now = asyncio.get_running_loop().time()
        self._listens_until = 0.0 if self._link.is_fabric or self._knows_previous else now + _LISTEN_S
        self._knows_previous = False
        return now

    def _joins(self) -> bool:
        return asyncio.get_running_loop().time() < self._listens_until

    async def _woken_before(self, deadline: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await self._wake.wait()

    def _pause_s(self) -> float:
        return CALL_EVERY_S if self._has_peers() else _ALONE_EVERY_S

    def _has_peers(self) -> bool:
        return len(self._nodes) > 1 or not self._link.is_fabric

    def _turn(self, *, beat: bool) -> None:
        self._wake.clear()
        try:
            if beat and self._has_peers():
                self._segment.call(Call(self._name, joins=self._joins()))
            if not self._joins():
                self._follow_plan(beat)
        except OSError as error:
            self._log.error("cannot announce", error=error)

    def _follow_plan(self, beat: bool) -> None:
        candidates = self._candidates()
        all_desired = (desired for key in sorted(self._desired) for desired in self._desired[key])
        mine = {address for address, node in announcers(all_desired, candidates).items() if node == self._name}
        gone = sorted(self.announced.keys() - mine)
        new = sorted(mine - self.announced.keys())
        for address in gone:
            del self.announced[address]
        if gone:
            self._log.info("stopped announcing", addresses=",".join(gone))
            self._segment.delete(gone)
        lifetime_s = LIFETIME_S if len(candidates) > 1 or not self._link.is_fabric else LONG_LIFETIME_S
        if new or beat:
            self._segment.add(sorted(mine), lifetime_s)
        if new:
            self._log.info("announcing", addresses=",".join(new))
            self.announced |= dict.fromkeys(new, _REPEATS)
            self._segment.announce(new)
        elif beat:
            self._repeat_announcements()

    def _repeat_announcements(self) -> None:
        again = sorted(address for address, left in self.announced.items() if left)
        for address in again:
            self.announced[address] -= 1
        self._segment.announce(again)

    def _candidates(self) -> frozenset[str]:
        """Returns the nodes that may announce and called recently; this node counts without a call."""
        now = asyncio.get_running_loop().time()
        if not self._link.is_fabric:
            others = [self._heard, *([self._joining] if now < self._listens_until + _JOINED_TOGETHER_S else [])]
            heard = {name for known in others for name, at in known.items() if now - at < SILENT_AFTER_S}
            return frozenset(name for name in heard | {self._name} if self._nodes.get(name, True))
        for name in self._nodes:
            self._heard.setdefault(name, now)
        return frozenset(
            name
            for name, able in self._nodes.items()
            if able and (name == self._name or now - self._heard[name] < SILENT_AFTER_S)
        )

    def _receive(self) -> None:
        now = asyncio.get_running_loop().time()
        for call in self._segment.receive():
            name = call.node
            if call.joins:
                self._joining[name] = now
                continue
            if now - self._heard.get(name, now if self._link.is_fabric else 0.0) >= SILENT_AFTER_S:
                # Each node may have considered the other dead: repeat the announcements, so that hosts learn the
                # final state.
                self.announced = dict.fromkeys(self.announced, _REPEATS)
                self._wake.set()
            self._heard[name] = now

    def _update_desired(self, key: str, service: Service) -> None:
        addresses = desired_addresses(service, self._pieces.get(key, {}).values())
        now = tuple(desired for desired in addresses if self._link.covers(desired.address))
        if self._desired.get(key) != now:
            self._desired[key] = now
            self._wake.set()
