"""Histograms of Prometheus: reads them from metrics, adds, subtracts, and estimates quantiles. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fairlead.base.dataclass import dataclass, field

_BUCKET = re.compile(r'\{(?:.*,)?le="([^"]+)".*\} (\S+)')
QUANTILES = (0.5, 0.9, 0.99)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Cumulative counts by upper bound in seconds; infinity is the total."""

    counts: Mapping[float, float] = field(default_factory=dict)

    def __add__(self, other: Histogram) -> Histogram:
        bounds = sorted({*self.counts, *other.counts})
        return Histogram({bound: self.counts.get(bound, 0) + other.counts.get(bound, 0) for bound in bounds})

    def since(self, before: Histogram | None) -> Histogram:
        """Returns what was observed after `before`; all of it if the counters began again."""
        if before is None:
            return self
        changed = {bound: count - before.counts.get(bound, 0) for bound, count in self.counts.items()}
        return self if any(count < 0 for count in changed.values()) else Histogram(changed)

    @property
    def total(self) -> float:
        return max(self.counts.values(), default=0.0)

    def quantiles(self) -> list[float | None]:
        """Returns the number of observations, then the estimates in seconds for `QUANTILES`; None without any."""
        return [self.total, *(self._quantile(rank) for rank in QUANTILES)]

    def _quantile(self, rank: float) -> float | None:
        wanted, below, lower = rank * self.total, 0.0, 0.0
        if not wanted:
            return None
        for bound, count in sorted(self.counts.items()):
            if count >= wanted:
                # Within a bucket, observations are assumed to be spread evenly, as Prometheus does.
                return lower if bound == float("inf") else lower + (bound - lower) * (wanted - below) / (count - below)
            below, lower = count, bound
        return lower


def read_histogram(text: str, metric: str) -> Histogram:
    """Returns the sum of the histogram over all its labels."""
    counts: dict[float, float] = {}
    prefix = f"{metric}_bucket"
    for line in text.splitlines():
        if line.startswith(prefix) and (match := _BUCKET.fullmatch(line, len(prefix))):
            bound = float(match[1])
            counts[bound] = counts.get(bound, 0.0) + float(match[2])
    return Histogram(counts)
