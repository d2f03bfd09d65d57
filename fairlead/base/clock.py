"""The clock as a parameter, so that no component reads the time without its caller's knowledge."""

from __future__ import annotations

import time
from typing import Protocol

from fairlead.base.instant import Instant

_SET_S = 5.0


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
    """A clock for tests: moves only when a test advances it."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start
        self._set_by = 0.0

    def now(self) -> Instant:
        return Instant(self._now + self._set_by)

    def monotonic(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds

    def set_by(self, seconds: float) -> None:
        """Changes only the time of day, as an administrator does, or a machine that was suspended."""
        self._set_by += seconds


class ClockSetting:
    """Notices that the time of day was set, since it then differs from the steady clock by another amount."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = clock.now() - clock.monotonic()

    def was_set(self) -> bool:
        """Returns whether it was set since the last call; slow corrections (adjtime(3)) do not count."""
        before, self._offset = self._offset, self._clock.now() - self._clock.monotonic()
        return abs(self._offset - before) > _SET_S
