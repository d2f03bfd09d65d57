"""The clock as a value that is handed in, so that no component reads time behind its caller's back."""

from __future__ import annotations

import time
from typing import Protocol

from fairlead.base.instant import Instant


class Clock(Protocol):
    """Wall time for timestamps, monotonic time for intervals; both in seconds."""

    def now(self) -> Instant: ...

    def monotonic(self) -> float: ...


class RealClock:
    def now(self) -> Instant:
        return Instant(time.time())

    def monotonic(self) -> float:
        return time.monotonic()


class FakeClock:
    """Stands still until told to move."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start

    def now(self) -> Instant:
        return Instant(self._now)

    def monotonic(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds
