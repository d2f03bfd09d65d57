"""The health of components that run in the same process."""

from __future__ import annotations

from collections.abc import Awaitable


class RunningWork:
    """A component is healthy while its work runs."""

    def __init__(self) -> None:
        self._running = False

    async def run(self, work: Awaitable[object]) -> None:
        """Awaits the work to its end."""
        self._running = True
        try:
            await work
        finally:
            self._running = False

    async def check(self) -> str:
        """Returns what is wrong; empty while the work runs."""
        return "" if self._running else "not running"
