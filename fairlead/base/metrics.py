"""Metrics in Prometheus' text exposition format 0.0.4: values, and one function that renders them. No I/O.

A component counts in plain fields and makes families of them only when its metrics are read.

Rejected: `prometheus_client` (32 ms of import and 4 MB for each process that counts).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from fairlead.base.dataclass import dataclass

Labels = tuple[tuple[str, str], ...]
"""Names and values, in the order in which they are shown."""
Type = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Sample:
    value: float
    labels: Labels = ()
    suffix: str = ""
    """Suffix after the family's name: `_bucket`, `_sum`, `_count` of a histogram."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric with all its samples."""

    name: str
    type: Type
    help: str
    samples: Sequence[Sample]


class Histogram:
    """Counts of observations by upper bound, both ends of a bucket as Prometheus has them (`le`)."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float, times: int = 1) -> None:
        """Counts an observation, or several of the same value."""
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times

    def samples(self, labels: Labels = ()) -> Iterator[Sample]:
        total = 0
        for bound, count in zip((*self.bounds, None), self.counts, strict=True):
            total += count
            le = "+Inf" if bound is None else f"{bound:g}"
            yield Sample(total, (*labels, ("le", le)), "_bucket")
        yield Sample(self.sum, labels, "_sum")
        yield Sample(total, labels, "_count")


def counter(name: str, help: str, value: float, labels: Labels = ()) -> Family:
    """A counter with one sample."""
    return Family(name, "counter", help, (Sample(value, labels),))


def gauge(name: str, help: str, value: float, labels: Labels = ()) -> Family:
    """A gauge with one sample."""
    return Family(name, "gauge", help, (Sample(value, labels),))


def render(families: Iterable[Family]) -> str:
    """Returns the text. Families of one name (one per address family, say) are joined under their first header."""
    joined: dict[str, tuple[Family, list[Sample]]] = {}
    for family in families:
        joined.setdefault(family.name, (family, []))[1].extend(family.samples)
    lines: list[str] = []
    for name, (family, samples) in joined.items():
        lines += [f"# HELP {name} {_escape_help(family.help)}", f"# TYPE {name} {family.type}"]
        lines += [f"{name}{sample.suffix}{_labels(sample.labels)} {_number(sample.value)}" for sample in samples]
    return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    inside = ",".join(f'{name}="{_escape(value)}"' for name, value in labels)
    return f"{{{inside}}}" if inside else ""


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _escape_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.15g}"
