"""Decides the size of one workload, and what the autoscaler's status says."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fairlead.api.autoscaling.horizontalpodautoscaler import HORIZONTAL_POD_AUTOSCALER
from fairlead.api.autoscaling.horizontalpodautoscaler.metrics import MetricStatus
from fairlead.api.autoscaling.horizontalpodautoscaler.types import (
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerCondition,
    HorizontalPodAutoscalerSpec,
)
from fairlead.base.dataclass import dataclass, field
from fairlead.base.instant import Instant, render_time
from fairlead.controllers.workloads.autoscaling.behavior import WITHIN, History, normalize
from fairlead.controllers.workloads.autoscaling.proposals import Failure, Proposal
from fairlead.controllers.workloads.autoscaling.values import Tolerances
from fairlead.machinery.values.quantity import parse_quantity
from fairlead.runtime.plan import EventRecord, Plan, Update

Condition = tuple[str, str, str, str]
"""Type, status, reason and message."""
Result = Proposal | Failure


@dataclass(slots=True)
class Report:
    """Conditions and events to write about an autoscaler; filled while the decision is made."""

    hpa: HorizontalPodAutoscaler
    conditions: list[Condition] = field(default_factory=list)
    events: list[EventRecord] = field(default_factory=list)
    current: int | None = None
    desired: int | None = None
    metrics: list[MetricStatus] | None = None
    rescaled: bool = False

    def condition(self, type: str, status: str, reason: str, message: str) -> None:
        self.conditions.append((type, status, reason, message))

    def warn(self, reason: str, message: str) -> None:
        self.events.append(EventRecord(self.hpa, reason, message, "Warning"))

    def plan(self, now: Instant) -> Plan:
        """Returns the writes of the status, if it changed, and of the events."""
        old = self.hpa.status
        status = msgspec.structs.replace(
            old,
            conditions=merge(old.conditions, self.conditions, now),
            currentReplicas=old.currentReplicas if self.current is None else self.current,
            desiredReplicas=old.desiredReplicas if self.desired is None else self.desired,
            currentMetrics=old.currentMetrics if self.current is None else self.metrics,
            lastScaleTime=render_time(now) if self.rescaled else old.lastScaleTime,
        )
        writes: tuple[Update, ...] = ()
        if status != old:
            changed = msgspec.structs.replace(self.hpa, status=status)
            writes = (Update(HORIZONTAL_POD_AUTOSCALER, changed, "status"),)
        return Plan(status=writes, events=tuple(self.events))


@dataclass(frozen=True, slots=True)
class Decision:
    """The size to set, or None to leave the workload as it is."""

    replicas: int | None
    reason: str = ""
    history: History = field(default_factory=History)


def needs_metrics(spec: HorizontalPodAutoscalerSpec, current: int) -> bool:
    """Returns whether the metrics matter: the workload is not switched off and within its bounds."""
    return current != 0 and least(spec) <= current <= spec.maxReplicas


def least(spec: HorizontalPodAutoscalerSpec) -> int:
    return 1 if spec.minReplicas is None else spec.minReplicas


def decide(report: Report, current: int, results: Sequence[Result], history: History, now: Instant) -> Decision:
    """Returns the decision for a workload of `current` pods, and fills the report."""
    spec = report.hpa.spec
    report.current = report.desired = current
    if current == 0:
        text = "scaling is disabled since the replica count of the target is zero"
        report.condition("ScalingActive", "False", "ScalingDisabled", text)
        return Decision(None, history=history)
    if current > spec.maxReplicas:
        return Decision(spec.maxReplicas, "Current number of replicas above Spec.MaxReplicas", history)
    if current < least(spec):
        return Decision(least(spec), "Current number of replicas below Spec.MinReplicas", history)
    best = _best(report, current, results)
    if best is None:
        report.desired = report.hpa.status.desiredReplicas
        return Decision(None, history=history)
    desired = max(0, best.replicas)
    reason = f"{best.name} above target" if desired > current else "All metrics below target"
    if desired == current:
        reason = ""
    result = normalize(spec, current, desired, history, now)
    report.condition("AbleToScale", "True", result.able.reason, result.able.message)
    limited = "False" if result.limited is WITHIN else "True"
    report.condition("ScalingLimited", limited, result.limited.reason, result.limited.message)
    changed = result.replicas if result.replicas != current else None
    return Decision(changed, reason, result.history)


def _best(report: Report, current: int, results: Sequence[Result]) -> Proposal | None:
    """Returns the proposal with the most pods. If a metric failed, a proposal of fewer pods than now does not count."""
    failures = [r for r in results if isinstance(r, Failure)]
    proposals = [r for r in results if isinstance(r, Proposal)]
    for failure in failures:
        report.warn(failure.reason, failure.message)
    report.metrics = [r.status if isinstance(r, Proposal) else MetricStatus() for r in results]
    best = max(proposals, key=lambda p: p.replicas, default=None)
    if failures and (best is None or best.replicas < current):
        first = failures[0]
        text = f"the HPA was unable to compute the replica count: {first.message}"
        report.condition("ScalingActive", "False", first.reason, text)
        total = f"invalid metrics ({len(failures)} invalid out of {len(results)}), first error is: {first.error}"
        report.warn("FailedComputeMetricsReplicas", total)
        return None
    if best is not None:
        text = f"the HPA was able to successfully calculate a replica count from {best.name}"
        report.condition("ScalingActive", "True", "ValidMetricFound", text)
    return best


def rescaled(report: Report, before: int, decision: Decision, history: History, now: Instant) -> History:
    """Records that the workload got its new size."""
    assert decision.replicas is not None
    size = decision.replicas
    report.desired, report.rescaled = size, True
    text = f"the HPA controller was able to update the target scale to {size}"
    report.condition("AbleToScale", "True", "SucceededRescale", text)
    report.events.append(EventRecord(report.hpa, "SuccessfulRescale", f"New size: {size}; reason: {decision.reason}"))
    return history.with_change(before, size, now) if report.hpa.spec.behavior is not None else history


def not_rescaled(report: Report, decision: Decision, error: str) -> None:
    """Records that the new size was refused."""
    report.desired = report.hpa.status.desiredReplicas
    report.warn("FailedRescale", f"New size: {decision.replicas}; reason: {decision.reason}; error: {error}")
    text = f"the HPA controller was unable to update the target scale: {error}"
    report.condition("AbleToScale", "False", "FailedUpdateScale", text)


def tolerances_of(spec: HorizontalPodAutoscalerSpec) -> Tolerances:
    default = Tolerances()
    behavior = spec.behavior
    if behavior is None:
        return default
    down = behavior.scaleDown.tolerance if behavior.scaleDown is not None else None
    up = behavior.scaleUp.tolerance if behavior.scaleUp is not None else None
    return Tolerances(
        default.down if down is None else float(parse_quantity(str(down))),
        default.up if up is None else float(parse_quantity(str(up))),
    )


def merge(
    old: Sequence[HorizontalPodAutoscalerCondition], changes: Sequence[Condition], now: Instant
) -> list[HorizontalPodAutoscalerCondition]:
    """Returns the conditions with the changes; the time of the last transition stays if the status stays."""
    result = {c.type: c for c in old}
    for type, status, reason, message in changes:
        before = result.get(type)
        same = before is not None and before.status == status
        since = before.lastTransitionTime if same and before is not None else render_time(now)
        result[type] = HorizontalPodAutoscalerCondition(
            type=type, status=status, reason=reason, message=message, lastTransitionTime=since
        )
    return list(result.values())
