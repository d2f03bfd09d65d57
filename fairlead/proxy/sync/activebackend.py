"""Holds the active backend of a node's proxy in one address family, and switches to another one.

What must stay true: the new rules are complete before the old ones go. If the new rules fail, the old ones stay,
and the switch is tried again. Leftovers of other modes, whichever process left them, are removed in the end."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping

from fairlead.base.dataclass import dataclass, replace
from fairlead.base.log import Log
from fairlead.net.conntrack.model import FlowTable
from fairlead.net.errors import KernelError
from fairlead.net.family import IPV4
from fairlead.proxy.planning.backend import Backend, Outcome
from fairlead.proxy.planning.proxierconfig import ProxierConfig
from fairlead.proxy.sync.setup import Setup

Makers = Mapping[str, Callable[[ProxierConfig], Backend]]
"""Constructors of backends, by mode. They raise KernelError if the mode is not available here."""
Refusal = Callable[[Setup, KernelError], object]


@dataclass(frozen=True, slots=True)
class ProxyContext:
    """The environment of a proxy: one network namespace, in one address family."""

    proxier: ProxierConfig
    """The base configuration, before settings are applied."""
    makers: Makers
    flows: FlowTable
    route_localnet: Callable[[bool], object]
    """Turns routing between 127.0.0.0/8 and the network on or off in the kernel. Raises KernelError."""


class ActiveBackend:
    def __init__(self, context: ProxyContext, setup: Setup, *, log: Log) -> None:
        self.setup = setup
        """The setup of `backend`."""
        self.on_refused: list[Refusal] = []
        """Called with settings that cannot be applied, once for each."""
        self.cleanup_failures = 0
        self.switches = 0
        self._makers = context.makers
        self._route_localnet = context.route_localnet
        self._log = log
        self._backend: Backend | None = None
        self._refused: Setup | None = None
        """Settings that failed and are not tried again before the next periodic check."""
        self._reported: Setup | None = None
        self._stale: list[Backend] = []
        """Backends of other modes whose rules must be removed."""

    @property
    def begun(self) -> bool:
        return self._backend is not None

    @property
    def backend(self) -> Backend:
        assert self._backend is not None
        return self._backend

    def begin(self, desired: Setup) -> None:
        """Makes the first backend; if the desired mode is not available, that of another mode: better than no
        rules."""
        others = [mode for mode in self._makers if mode != desired.mode]
        for mode in (desired.mode, *others):
            try:
                self._backend = self._makers[mode](desired.proxier)
            except KernelError as error:
                self._refuse(desired, error)
                continue
            self.setup = desired if mode == desired.mode else replace(desired, mode=mode)
            self._retire_others()
            return
        raise KernelError("no mode of the proxy is available here: neither nftables nor iptables works")

    def is_due(self, desired: Setup) -> bool:
        """Returns whether these settings must be applied now."""
        return desired is not self.setup and desired not in (self.setup, self._refused)

    def retry_refused(self) -> None:
        """Allows another try of failed settings."""
        self._refused = None

    def change(self, desired: Setup) -> bool:
        """Applies settings that need no new rules. Returns False if they do need new rules: call `switch` then."""
        if (desired.mode, desired.proxier) != (self.setup.mode, self.setup.proxier):
            return False
        self.setup = desired
        return True

    async def switch(self, desired: Setup, fill: Callable[[Backend], Awaitable[None]]) -> Outcome | None:
        """Replaces the backend by another one, which `fill` passes all Services to. Returns None on failure: the
        old backend stays, and its mirror may be wrong if it has the same mode."""
        new = None
        try:
            new = self._makers[desired.mode](desired.proxier)
            await fill(new)
            if self.setup.proxier.localhost and not desired.proxier.localhost:
                # The rules that protected the node's loopback are about to go.
                self._route_localnet(False)
            outcome = await new.resync()
            if outcome.refused is not None:
                raise outcome.refused
            if desired.proxier.localhost:
                self._route_localnet(True)
        except KernelError as error:
            self._refuse(desired, error)
            if new is not None and desired.mode != self.setup.mode:
                self._stale.append(new)
            return None
        self._log.info("settings in force", mode=desired.mode, services=new.services, changes=outcome.changes)
        self._backend, self.setup, self._stale = new, desired, []
        self._retire_others()
        await self.clean()
        self.switches += 1
        return outcome

    def apply_localnet(self) -> None:
        """Applies settings outside of the rules. Called after the first rules and after a repair. Raises
        KernelError."""
        if self.setup.proxier.family is IPV4:
            self._route_localnet(self.setup.proxier.localhost)

    async def clean(self) -> None:
        """Removes leftovers of other modes, or leaves them for the next check."""
        stale, self._stale = self._stale, []
        for backend in stale:
            try:
                if await backend.cleanup():
                    self._log.info("rules removed", mode=backend.mode)
            except KernelError as error:
                self.cleanup_failures += 1
                self._stale.append(backend)
                self._log.warn("cannot remove the rules of another mode: trying again", mode=backend.mode, error=error)

    def _retire_others(self) -> None:
        """Marks all other modes for removal; a mode that is not available here has left no rules."""
        for mode, make in self._makers.items():
            if mode != self.setup.mode:
                with contextlib.suppress(KernelError):
                    self._stale.append(make(self.setup.proxier))

    def _refuse(self, setup: Setup, error: KernelError) -> None:
        self._refused = setup
        if self._reported != setup:
            self._reported = setup
            self._log.error("cannot apply the settings", mode=setup.mode, error=error)
            for report in self.on_refused:
                report(setup, error)
