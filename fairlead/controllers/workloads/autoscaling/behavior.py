"""Limits what the metrics recommend: stabilization windows, policies of both directions, and the bounds.

The history is a value that each decision returns anew. It lives in memory: after a restart of the control plane, the
first size that is seen counts as the latest recommendation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from fairlead.api.autoscaling.horizontalpodautoscaler.types import HorizontalPodAutoscalerSpec, HPAScalingRules
from fairlead.base.dataclass import dataclass, replace
from fairlead.base.instant import Instant

DOWN_WINDOW_S = 300
_LONGEST_S = 3600.0
"""The greatest window and, beyond it, the greatest period that the API allows: older entries are dropped."""

Entry = tuple[Instant, int]
"""A recommended number of pods, or the size of a change, with its time."""


@dataclass(frozen=True, slots=True)
class History:
    """Past recommendations and changes of one autoscaler, the oldest first."""

    recommended: tuple[Entry, ...] = ()
    added: tuple[Entry, ...] = ()
    removed: tuple[Entry, ...] = ()

    def with_recommendation(self, replicas: int, now: Instant) -> History:
        return replace(self, recommended=(*_recent(self.recommended, now), (now, replicas)))

    def with_change(self, before: int, after: int, now: Instant) -> History:
        if after > before:
            return replace(self, added=(*_recent(self.added, now), (now, after - before)))
        return replace(self, removed=(*_recent(self.removed, now), (now, before - after)))


@dataclass(frozen=True, slots=True)
class Reason:
    """Reason and message of a condition."""

    reason: str
    message: str


READY = Reason("ReadyForNewScale", "recommended size matches current size")
WITHIN = Reason("DesiredWithinRange", "the desired count is within the acceptable range")
UP_STABILIZED = Reason(
    "ScaleUpStabilized", "recent recommendations were lower than current one, applying the lowest recent recommendation"
)
DOWN_STABILIZED = Reason(
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)
UP_LIMIT = Reason("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
DOWN_LIMIT = Reason("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")
TOO_MANY = Reason("TooManyReplicas", "the desired replica count is more than the maximum replica count")
TOO_FEW = Reason("TooFewReplicas", "the desired replica count is less than the minimum replica count")


@dataclass(frozen=True, slots=True)
class Normalized:
    """The number of pods to use, why it may differ from the recommendation, and what limited it (`WITHIN`: nothing)."""

    replicas: int
    able: Reason
    limited: Reason
    history: History


def normalize(
    spec: HorizontalPodAutoscalerSpec, current: int, recommended: int, history: History, now: Instant
) -> Normalized:
    least = spec.minReplicas if spec.minReplicas is not None else 1
    if spec.behavior is None:
        stable = max([recommended, *(n for t, n in history.recommended if t >= now - DOWN_WINDOW_S)])
        able = DOWN_STABILIZED if stable != recommended else READY
        replicas, limited = _within_rules(current, stable, least, spec.maxReplicas)
    else:
        up = spec.behavior.scaleUp or HPAScalingRules()
        down = spec.behavior.scaleDown or HPAScalingRules()
        stable = _stabilized(current, recommended, (_window(up, 0), _window(down, DOWN_WINDOW_S)), history, now)
        stabilized = UP_STABILIZED if recommended >= current else DOWN_STABILIZED
        able = stabilized if stable != recommended else READY
        if stable > current:
            replicas, limited = _not_above(stable, max(current, _limit_up(current, up, history, now)), spec.maxReplicas)
        elif stable < current:
            replicas, limited = _not_below(stable, min(current, _limit_down(current, down, history, now)), least)
        else:
            replicas, limited = stable, WITHIN
    return Normalized(replicas, able, limited, history.with_recommendation(recommended, now))


def _window(rules: HPAScalingRules, default_s: int) -> int:
    return default_s if rules.stabilizationWindowSeconds is None else rules.stabilizationWindowSeconds


def _within_rules(current: int, desired: int, least: int, most: int) -> tuple[int, Reason]:
    """Applies the limits of autoscalers without behaviour: at most twice the present number, or 4."""
    if desired < least:
        return least, TOO_FEW
    return _not_above(desired, max(2 * current, 4), most)


def _not_above(desired: int, limit: int, most: int) -> tuple[int, Reason]:
    allowed, reason = (limit, UP_LIMIT) if most > limit else (most, TOO_MANY)
    return (allowed, reason) if desired > allowed else (desired, WITHIN)


def _not_below(desired: int, limit: int, least: int) -> tuple[int, Reason]:
    allowed, reason = (limit, DOWN_LIMIT) if least < limit else (least, TOO_FEW)
    return (allowed, reason) if desired < allowed else (desired, WITHIN)


def _stabilized(current: int, recommended: int, windows_s: tuple[int, int], history: History, now: Instant) -> int:
    """Returns the present number, raised to the lowest recommendation in the window of increases, and lowered to the
    highest in that of decreases."""
    up_s, down_s = windows_s
    lowest = min([recommended, *(n for t, n in history.recommended if t > now - up_s)])
    highest = max([recommended, *(n for t, n in history.recommended if t > now - down_s)])
    return min(max(current, lowest), highest)


def _limit_up(current: int, rules: HPAScalingRules, history: History, now: Instant) -> int:
    if rules.selectPolicy == "Disabled":
        return current
    proposals = []
    for policy in rules.policies or ():
        start = _at_start(current, policy.periodSeconds, history, now)
        percent = math.ceil(start * (1 + policy.value / 100))
        proposals.append(start + policy.value if policy.type == "Pods" else percent)
    return _select(proposals, current, lowest=rules.selectPolicy == "Min")


def _limit_down(current: int, rules: HPAScalingRules, history: History, now: Instant) -> int:
    if rules.selectPolicy == "Disabled":
        return current
    proposals = []
    for policy in rules.policies or ():
        start = _at_start(current, policy.periodSeconds, history, now)
        percent = int(start * (1 - policy.value / 100))
        proposals.append(start - policy.value if policy.type == "Pods" else percent)
    return _select(proposals, current, lowest=rules.selectPolicy != "Min")


def _select(proposals: Sequence[int], current: int, *, lowest: bool) -> int:
    """Returns the lowest proposal or, without `lowest`, the highest."""
    if not proposals:
        return current
    return min(proposals) if lowest else max(proposals)


def _at_start(current: int, period_s: int, history: History, now: Instant) -> int:
    """Returns the number of pods at the start of the period that ends now."""
    added = sum(n for t, n in history.added if t > now - period_s)
    removed = sum(n for t, n in history.removed if t > now - period_s)
    return current - added + removed


def _recent(entries: Sequence[Entry], now: Instant) -> tuple[Entry, ...]:
    return tuple(entry for entry in entries if entry[0] > now - _LONGEST_S)
