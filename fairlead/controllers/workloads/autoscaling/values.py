"""Values of metrics, in thousandths of their unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairlead.api.core.pod.kind import Pod
from fairlead.base.dataclass import dataclass
from fairlead.base.instant import Instant


@dataclass(frozen=True, slots=True)
class PodValue:
    """The value of a pod's metric at a time, averaged over a window before."""

    value: int
    time: Instant
    window_s: float


PodValues = Mapping[str, PodValue]
"""Values by the name of the pod."""
Observed = PodValues | Sequence[int]
"""Answer of a metric's source: values of pods, or the values of one object or of series from outside."""


class NotComputable(Exception):
    """The number of pods cannot be computed from a metric; the text says why, in upstream's words."""


@dataclass(frozen=True, slots=True)
class Tolerances:
    """Deviations of the ratio between observed and desired value that cause no change."""

    down: float = 0.1
    up: float = 0.1

    def allow(self, ratio: float) -> bool:
        return 1.0 - self.down <= ratio <= 1.0 + self.up


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything but the metric that a proposal depends on."""

    namespace: str
    desired: int
    """Number of pods that the workload's scale asks for."""
    present: int
    """Number of pods that the workload's scale reports."""
    pods: Sequence[Pod]
    tolerances: Tolerances
    now: Instant
