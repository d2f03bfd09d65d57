"""Finds out whether a node is short of memory, disk or process ids. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.base.dataclass import dataclass, field
from fairlead.base.instant import Instant
from fairlead.node.nodestatus.kubeletconfig import KubeletConfig, threshold

CONDITIONS = {
    "memory.available": "MemoryPressure",
    "nodefs.available": "DiskPressure",
    "nodefs.inodesFree": "DiskPressure",
    "pid.available": "PIDPressure",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """The free and the whole amounts of the machine, by their eviction signals."""

    available: dict[str, float]
    capacity: dict[str, float]


def short_of(config: KubeletConfig, signals: Signals) -> Iterator[str]:
    """Yields the signals that are below their thresholds."""
    for signal, text in config.evictionHard.items():
        capacity = signals.capacity.get(signal, 0.0)
        if capacity and signals.available[signal] < threshold(text, capacity):
            yield signal


@dataclass(slots=True)
class Pressure:
    """The conditions that are true. A condition stays for a while, so that it does not flap."""

    _until: dict[str, Instant] = field(default_factory=dict)

    def update(self, config: KubeletConfig, signals: Signals, now: Instant) -> frozenset[str]:
        """Returns the conditions that are true by now."""
        for signal in short_of(config, signals):
            self._until[CONDITIONS[signal]] = Instant(now + config.pressure_s)
        self._until = {name: until for name, until in self._until.items() if until > now}
        return frozenset(self._until)
