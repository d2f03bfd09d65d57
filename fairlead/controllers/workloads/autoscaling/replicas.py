"""Computes the number of pods from the values of a metric.

Source: upstream's replica calculator. Pods without a value count as if they needed no change in the direction of the
change, so that missing values only ever damp it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.predicates import is_ready
from fairlead.base.dataclass import dataclass
from fairlead.base.instant import Instant, parse_time
from fairlead.controllers.workloads.autoscaling.values import Facts, NotComputable, PodValue, PodValues
from fairlead.machinery.values.quantity import milli

_CPU_START_S = 300.0
"""Seconds after the start of a pod in which its cpu counts only while the pod is ready, and measured since it is."""
_READY_DELAY_S = 30.0
"""A pod that became unready within these seconds after its start has never been ready."""
_MOST = 2**31 - 1

Fill = Callable[[str], int]
"""Returns the value that a pod without value is taken to have before a decrease."""
RatioOf = Callable[[PodValues], float]


@dataclass(frozen=True, slots=True)
class Groups:
    """The pods of a workload by what their values tell."""

    ready: int
    unready: frozenset[str]
    missing: frozenset[str]
    ignored: frozenset[str]


@dataclass(frozen=True, slots=True)
class Utilization:
    """Values as a share of the requests."""

    ratio: float
    percent: int
    average: int


def by_utilization(
    percent: int, values: PodValues, facts: Facts, *, resource: str, container: str
) -> tuple[int, Utilization]:
    """Returns the number of pods at which the average use is `percent` of the requests."""
    groups, known = _usable(values, facts, resource)
    requests = {pod.metadata.name: _request(pod, container, resource) for pod in facts.pods}
    found = _utilization(known, requests, percent)

    def fill(name: str) -> int:
        """Returns the value of a missing pod before a decrease: its request, or more if the target is above."""
        return requests[name] * max(100, percent) // 100

    def ratio(filled: PodValues) -> float:
        return _utilization(filled, requests, percent).ratio

    return _replicas(found.ratio, known, groups, facts, fill=fill, ratio_of=ratio), found


def by_average(target: int, values: PodValues, facts: Facts, *, resource: str) -> tuple[int, int]:
    """Returns the number of pods at which the average value is `target`, and the present average."""
    groups, known = _usable(values, facts, resource)
    usage = sum(v.value for v in known.values()) // len(known)

    def ratio(filled: PodValues) -> float:
        return (sum(v.value for v in filled.values()) // len(filled)) / target

    ratio_now = usage / target
    return _replicas(ratio_now, known, groups, facts, fill=lambda name: target, ratio_of=ratio), usage


def by_ratio(ratio: float, facts: Facts) -> int:
    """Returns the number of pods for a value of the whole: in proportion to the ready pods."""
    if facts.desired == 0:
        return min(_MOST, math.ceil(ratio))
    if facts.tolerances.allow(ratio):
        return facts.desired
    if not facts.pods:
        text = "no pods returned by selector while calculating replica count"
        raise NotComputable(f"unable to calculate ready pods: {text}")
    ready = sum(pod.status.phase == "Running" and is_ready(pod) for pod in facts.pods)
    return min(_MOST, math.ceil(ratio * ready))


def per_pod(usage: int, target: int, facts: Facts) -> tuple[int, int]:
    """Returns the number of pods that share the value so that each has `target`, and the present share."""
    present = facts.present
    ratio = usage / (target * present) if present else math.inf
    replicas = present if facts.tolerances.allow(ratio) else min(_MOST, math.ceil(usage / target))
    return replicas, math.ceil(usage / present) if present else usage


def _usable(values: PodValues, facts: Facts, resource: str) -> tuple[Groups, PodValues]:
    """Returns the groups of the pods, and the values that count."""
    if not facts.pods:
        raise NotComputable("no pods returned by selector while calculating replica count")
    groups = _group(facts.pods, values, resource, facts.now)
    known = {name: v for name, v in values.items() if name not in groups.ignored and name not in groups.unready}
    if not known:
        raise NotComputable("did not receive metrics for targeted pods (pods might be unready)")
    return groups, known


def _replicas(ratio: float, known: PodValues, groups: Groups, facts: Facts, *, fill: Fill, ratio_of: RatioOf) -> int:
    current, tolerances = facts.desired, facts.tolerances
    with_unready = bool(groups.unready) and ratio > 1.0
    if not with_unready and not groups.missing:
        return current if tolerances.allow(ratio) else math.ceil(ratio * groups.ready)
    filled = dict(known)
    if ratio < 1.0:
        filled |= {name: _value(fill(name)) for name in groups.missing}
    elif ratio > 1.0:
        filled |= {name: _value(0) for name in groups.missing}
    if with_unready:
        filled |= {name: _value(0) for name in groups.unready}
    damped = ratio_of(filled)
    if tolerances.allow(damped) or (ratio < 1.0 < damped) or (damped < 1.0 < ratio):
        return current
    replicas = math.ceil(damped * len(filled))
    opposite = (damped < 1.0 and replicas > current) or (damped > 1.0 and replicas < current)
    return current if opposite else replicas


def _value(value: int) -> PodValue:
    return PodValue(value, Instant(0.0), 0.0)


def _group(pods: Sequence[Pod], values: PodValues, resource: str, now: Instant) -> Groups:
    ready, unready, missing, ignored = 0, set(), set(), set()
    for pod in pods:
        name = pod.metadata.name
        if pod.metadata.deletionTimestamp or pod.status.phase == "Failed":
            ignored.add(name)
        elif pod.status.phase == "Pending":
            unready.add(name)
        elif name not in values:
            missing.add(name)
        elif resource == "cpu" and _is_starting(pod, values[name], now):
            unready.add(name)
        else:
            ready += 1
    return Groups(ready, frozenset(unready), frozenset(missing), frozenset(ignored))


def _is_starting(pod: Pod, value: PodValue, now: Instant) -> bool:
    """Returns whether the cpu of the pod is that of its start, which says nothing about its load."""
    condition = next((c for c in pod.status.conditions if c.type == "Ready"), None)
    if condition is None or not pod.status.startTime or not condition.lastTransitionTime:
        return True
    started, changed = parse_time(pod.status.startTime), parse_time(condition.lastTransitionTime)
    if started + _CPU_START_S > now:
        return condition.status == "False" or value.time < changed + value.window_s
    return condition.status == "False" and started + _READY_DELAY_S > changed


def _request(pod: Pod, container: str, resource: str) -> int:
    """Returns the request of the pod, or of its container of that name, in thousandths."""
    spec, name = pod.spec, pod.metadata.name
    if not container and spec.resources is not None and spec.resources.requests:
        if resource not in spec.resources.requests:
            raise NotComputable(f"missing pod-level request for {resource} in Pod {name}")
        return milli(str(spec.resources.requests[resource]))
    total = 0
    for one in (*spec.containers, *(c for c in spec.initContainers if c.restartPolicy == "Always")):
        if container not in ("", one.name):
            continue
        if resource not in one.resources.requests:
            raise NotComputable(f"missing request for {resource} in container {one.name} of Pod {name}")
        total += milli(str(one.resources.requests[resource]))
        if container:
            return total
    if container:
        raise NotComputable(f"container {container} not found in Pod {name}")
    return total


def _utilization(values: PodValues, requests: Mapping[str, int], percent: int) -> Utilization:
    known = {name: v.value for name, v in values.items() if name in requests}
    total = sum(requests[name] for name in known)
    if not total:
        raise NotComputable("no metrics returned matched known pods")
    used = sum(known.values())
    share = used * 100 // total
    return Utilization(share / percent, share, used // len(known))
