"""Exponential back-off with jitter."""

from __future__ import annotations

import random


class Backoff:
    """`next()` doubles the delay from `base_s` up to `cap_s` and draws from its upper half; `reset()` starts over."""

    def __init__(self, *, base_s: float, cap_s: float, rng: random.Random) -> None:
        self._base_s = base_s
        self._cap_s = cap_s
        self._rng = rng
        self._tries = 0

    def next(self) -> float:
        delay = min(self._cap_s, self._base_s * 2.0 ** min(self._tries, 40))
        self._tries += 1
        return delay * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        self._tries = 0
