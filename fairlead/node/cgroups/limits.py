"""The values of a container's control group, computed from its requests and limits as kubelets do. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping

from fairlead.api.core.amounts import Amount, value
from fairlead.api.core.pod.containers.container import Container, ResourceRequirements
from fairlead.api.core.pod.create import qos_class
from fairlead.api.core.pod.kind import Pod
from fairlead.base.dataclass import dataclass

_PERIOD_US = 100_000
_LEAST_QUOTA_US = 1000
_LEAST_SHARES, _MOST_SHARES = 2, 262_144
_CRITICAL_PRIORITY = 2_000_001_000
_GUARANTEED, _BEST_EFFORT = -997, 1000


@dataclass(frozen=True, slots=True)
class Limits:
    """The values of a control group. None: unlimited."""

    cpu_shares: int = _LEAST_SHARES
    cpu_quota_us: int | None = None
    """Microseconds of processor time in each period of 100 ms."""
    memory_bytes: int | None = None

    @property
    def cpu_weight(self) -> int:
        """Returns the shares in the range of cgroup v2: 1024 shares, the default of v1, are its default of 100."""
        at = math.log2(min(max(self.cpu_shares, _LEAST_SHARES), _MOST_SHARES))
        return math.ceil(10 ** ((at * at + 125 * at) / 612 - 7 / 34))

    @property
    def cpu_period_us(self) -> int:
        return _PERIOD_US


def limits_of(resources: ResourceRequirements) -> Limits:
    request, limit = _milli(resources.requests), _milli(resources.limits)
    shares = (request or limit) * 1024 // 1000
    return Limits(
        cpu_shares=min(max(shares, _LEAST_SHARES), _MOST_SHARES),
        cpu_quota_us=max(limit * _PERIOD_US // 1000, _LEAST_QUOTA_US) if limit else None,
        memory_bytes=memory_limit(resources),
    )


def memory_limit(resources: ResourceRequirements | None) -> int | None:
    """Returns the limit in bytes; None without a limit."""
    amount = resources.limits.get("memory") if resources is not None else None
    return math.ceil(value(str(amount))) or None if amount is not None else None


def _milli(amounts: Mapping[str, Amount]) -> int:
    return math.ceil(value(str(amounts.get("cpu", 0))) * 1000)


def oom_score_adj(pod: Pod, container: Container, resources: ResourceRequirements, memory_bytes: int) -> int:
    """Returns the value of /proc/PID/oom_score_adj (proc(5)): the less a container requests, the sooner the kernel
    kills it if the machine runs out of memory. `memory_bytes` is the machine's memory."""
    quality = qos_class(pod.spec)
    if quality == "Guaranteed" or (pod.spec.priority or 0) >= _CRITICAL_PRIORITY:
        return _GUARANTEED
    if quality == "BestEffort" or not memory_bytes:
        return _BEST_EFFORT
    adjust = _adjust(resources, memory_bytes)
    if container.restartPolicy == "Always" and any(c is container for c in pod.spec.initContainers):
        least = min(int(value(str(c.resources.requests.get("memory", 0)))) for c in pod.spec.containers)
        adjust = min(adjust, 1000 - 1000 * least // memory_bytes)
    return min(max(adjust, 1000 + _GUARANTEED), _BEST_EFFORT - 1)


def _adjust(resources: ResourceRequirements, memory_bytes: int) -> int:
    return 1000 - 1000 * int(value(str(resources.requests.get("memory", 0)))) // memory_bytes
