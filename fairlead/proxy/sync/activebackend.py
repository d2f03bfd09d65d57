"""Which backend has the rules of a node's proxy, in one address family, and how another one takes over.

What must stay true: the new rules are complete before the old ones go; where the new ones cannot be had the old ones
stay, and it is tried again; what other modes left, whoever left it, goes in the end.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from fairlead.base.log import Log
from fairlead.net.conntrack.model import FlowTable
from fairlead.net.errors import KernelError
from fairlead.net.family import IPV4
from fairlead.proxy.planning.backend import Backend, Outcome
from fairlead.proxy.planning.proxierconfig import ProxierConfig
from fairlead.proxy.sync.setup import Setup

Makers = Mapping[str, Callable[[ProxierConfig], Backend]]
"""A new backend, by mode. They raise KernelError where the mode cannot be had here."""
Refusal = Callable[[Setup, KernelError], object]


@dataclass(frozen=True, slots=True)
class ProxyContext:
    """What a proxy works in: one network namespace, in one address family."""

    proxier: ProxierConfig
    """As it is without settings."""
    makers: Makers
    flows: FlowTable
    route_localnet: Callable[[bool], object]
    """Has the kernel let packets between 127.0.0.0/8 and the network pass, or not. Raises KernelError."""


class ActiveBackend:
    def __init__(self, context: ProxyContext, setup: Setup, *, log: Log) -> None:
        self.setup = setup
        """That of `backend`."""
        self.on_refused: list[Refusal] = []
        """Called with settings that cannot be put into force, once for each."""
        self.cleanup_failures = 0
        self.switches = 0
        self._makers = context.makers
        self._route_localnet = context.route_localnet
        self._log = log
        self._backend: Backend | None = None
        self._refused: Setup | None = None
        """Settings that were tried and cannot be had, until the next look."""
        self._told: Setup | None = None
        self._stale: list[Backend] = []
        """Whose rules are to go: other modes'."""

    @property
    def begun(self) -> bool:
        return self._backend is not None

    @property
    def backend(self) -> Backend:
        assert self._backend is not None
        return self._backend

    def begin(self, wanted: Setup) -> None:
        """A backend for the first time; another mode's where the wanted one cannot be had: better than no rules."""
        others = [mode for mode in self._makers if mode != wanted.mode]
        for mode in (wanted.mode, *others):
            try:
                self._backend = self._makers[mode](wanted.proxier)
            except KernelError as error:
                self._refuse(wanted, error)
                continue
            self.setup = wanted if mode == wanted.mode else replace(wanted, mode=mode)
            self._retire_others()
            return
        raise KernelError("no mode of the proxy can be had here")

    def is_due(self, wanted: Setup) -> bool:
        """Whether these settings are to be put into force now."""
        return wanted is not self.setup and wanted not in (self.setup, self._refused)

    def forgive(self) -> None:
        """What was refused may be tried again."""
        self._refused = None

    def change(self, wanted: Setup) -> bool:
        """Puts settings into force that need no other rules. False where they do: then `switch`."""
        if (wanted.mode, wanted.proxier) != (self.setup.mode, self.setup.proxier):
            return False
        self.setup = wanted
        return True

    async def switch(self, wanted: Setup, fill: Callable[[Backend], Awaitable[None]]) -> Outcome | None:
        """Has another backend, which `fill` tells of all Services, take over. None where it cannot: the old one stays,
        and if it is of the same mode its mirror may be wrong now."""
        new = None
        try:
            new = self._makers[wanted.mode](wanted.proxier)
            await fill(new)
            if self.setup.proxier.localhost and not wanted.proxier.localhost:
                # The rules that kept others from the node's loopback are about to go.
                self._route_localnet(False)
            outcome = await new.resync()
            if outcome.refused is not None:
                raise outcome.refused
            if wanted.proxier.localhost:
                self._route_localnet(True)
        except KernelError as error:
            self._refuse(wanted, error)
            if new is not None and wanted.mode != self.setup.mode:
                self._stale.append(new)
            return None
        self._log.info("settings in force", mode=wanted.mode, services=new.services, changes=outcome.changes)
        self._backend, self.setup, self._stale = new, wanted, []
        self._retire_others()
        await self.clean()
        self.switches += 1
        return outcome

    def settle(self) -> None:
        """After the first rules, and after a repair: what belongs to them outside of them. Raises KernelError."""
        if self.setup.proxier.family is IPV4:
            self._route_localnet(self.setup.proxier.localhost)

    async def clean(self) -> None:
        """Removes what other modes left, or leaves it for the next look."""
        stale, self._stale = self._stale, []
        for backend in stale:
            try:
                if await backend.cleanup():
                    self._log.info("rules removed", mode=backend.mode)
            except KernelError as error:
                self.cleanup_failures += 1
                self._stale.append(backend)
                self._log.warn("rules of another mode may be left", mode=backend.mode, error=error)

    def _retire_others(self) -> None:
        """Whatever there may be of other modes is to go; what cannot be had here has left nothing either."""
        for mode, make in self._makers.items():
            if mode != self.setup.mode:
                with contextlib.suppress(KernelError):
                    self._stale.append(make(self.setup.proxier))

    def _refuse(self, wanted: Setup, error: KernelError) -> None:
        self._refused = wanted
        if self._told != wanted:
            self._told = wanted
            self._log.error("the settings cannot be put into force", mode=wanted.mode, error=error)
            for tell in self.on_refused:
                tell(wanted, error)
