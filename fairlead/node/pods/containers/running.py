"""A running container, as its hooks, its probes and its stop see it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence

from fairlead.api.core.pod.containers.container import Container
from fairlead.base.dataclass import dataclass
from fairlead.base.numbers import natural
from fairlead.node.pods.containers.commands import run_command
from fairlead.node.runtime.agent.zygoteclient import ZygoteClient, ZygoteError


@dataclass(frozen=True, slots=True)
class RunningContainer:
    zygote: ZygoteClient
    container: Container
    id: str
    pid: int
    pod_uid: str
    ip: str
    image_stop_signal: str
    """The manifest's wins."""
    ended: asyncio.Event

    async def command(self, argv: Sequence[str], timeout_s: float | None) -> tuple[int, bytes]:
        """Runs a command in the container; returns its exit code and output. Raises TimeoutError."""
        return await run_command(self.zygote, self.id, argv, timeout_s)

    async def signal(self, number: int) -> None:
        if not self.ended.is_set():
            with contextlib.suppress(ZygoteError):  # it has ended in the meantime
                await self.zygote.signal(self.id, number)

    async def wait_ended(self, seconds: float) -> None:
        """Returns when it has ended, or the time is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.ended.wait()

    @property
    def stop_signal_number(self) -> int:
        of_manifest = self.container.lifecycle.stopSignal if self.container.lifecycle else None
        name = of_manifest or self.image_stop_signal or "SIGTERM"
        number = natural(name)
        if number in signal.valid_signals():
            return int(number)
        name = name.upper() if name.upper().startswith("SIG") else f"SIG{name.upper()}"
        return int(signal.Signals.__members__.get(name, signal.SIGTERM))
