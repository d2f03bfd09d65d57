"""A pool of numbers from a range, each with at most one holder: node ports.

The lower band is for numbers that users choose; a number without a choice comes from the upper band first, so
collisions are rare (Kubernetes KEP-3668). The pool is in memory only and rebuilt from the stored Services at start.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

_PROBES = 32


class Pool:
    """Numbers 0 to size-1; the lowest `lower` of them form the lower band."""

    def __init__(self, size: int, lower: int, *, rng: random.Random) -> None:
        self._size = size
        self._lower = min(lower, size)
        self._rng = rng
        self._taken: set[int] = set()

    def __len__(self) -> int:
        return len(self._taken)

    def __contains__(self, number: int) -> bool:
        return number in self._taken

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._taken))

    def allocate(self, number: int) -> bool:
        """Takes the number; returns False if it was taken already."""
        if number in self._taken:
            return False
        self._taken.add(number)
        return True

    def release(self, number: int) -> None:
        self._taken.discard(number)

    def allocate_next(self) -> int | None:
        """Takes a random free number; returns None if the pool is exhausted."""
        number = self._random_free(self._lower, self._size)
        if number is None:
            number = self._random_free(0, self._lower)
        if number is not None:
            self._taken.add(number)
        return number

    def _random_free(self, start: int, end: int) -> int | None:
        if start >= end:
            return None
        for _ in range(_PROBES):
            number = self._rng.randrange(start, end)
            if number not in self._taken:
                return number
        # The band is nearly full: search it once from a random start.
        first = self._rng.randrange(start, end)
        return next((n for n in (*range(first, end), *range(start, first)) if n not in self._taken), None)


def lower_band(size: int, *, least: int, most: int, step: int) -> int:
    """Returns the size of the lower band: `min(max(least, size/step), most)`, or 0 if the range is too small."""
    return 0 if size <= least else min(max(least, size // step), most)
