"""The HorizontalPodAutoscaler kind (v2): changes the number of a workload's pods by metrics."""

from collections.abc import Iterator
from typing import Any

from fairlead.api.autoscaling.horizontalpodautoscaler.metrics import (
    MetricSpec,
    MetricStatus,
    MetricTarget,
    MetricValueStatus,
    ResourceMetricSource,
)
from fairlead.api.autoscaling.horizontalpodautoscaler.rules import SOURCES, autoscaler_errors, version_errors
from fairlead.api.autoscaling.horizontalpodautoscaler.types import (
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerStatus,
    HPAScalingPolicy,
    HPAScalingRules,
)
from fairlead.api.core.amounts import canonical_text
from fairlead.api.meta.columns import AGE, NAME, NONE, UNKNOWN, UNSET
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Column, Strategy
from fairlead.machinery.values.status import FieldError

DEFAULT_UTILIZATION = 80
"""Target of the use of cpu in per cent if no metric is given."""
_SHOWN = 2


def cpu_metric(percent: int) -> MetricSpec:
    target = MetricTarget(type="Utilization", averageUtilization=percent)
    return MetricSpec(type="Resource", resource=ResourceMetricSource(name="cpu", target=target))


def default_autoscaler(found: HorizontalPodAutoscaler) -> HorizontalPodAutoscaler:
    spec = found.spec
    if spec.minReplicas is None:
        spec.minReplicas = 1
    if not spec.metrics:
        spec.metrics = [cpu_metric(DEFAULT_UTILIZATION)]
    for metric in spec.metrics:
        for source in _sources(metric):
            _canonicalize(source.target)
    for status in found.status.currentMetrics or ():
        for source in _sources(status):
            _canonicalize(source.current)
    if spec.behavior is not None:
        percent = HPAScalingPolicy(type="Percent", value=100, periodSeconds=15)
        pods = HPAScalingPolicy(type="Pods", value=4, periodSeconds=15)
        spec.behavior.scaleUp = _default_rules(spec.behavior.scaleUp, [pods, percent], 0)
        spec.behavior.scaleDown = _default_rules(spec.behavior.scaleDown, [percent], None)
    return found


def _sources(metric: MetricSpec | MetricStatus) -> Iterator[Any]:
    yield from (source for name in SOURCES.values() if (source := getattr(metric, name)) is not None)


def _canonicalize(amounts: MetricTarget | MetricValueStatus) -> None:
    for name in ("value", "averageValue"):
        amount = getattr(amounts, name)
        if amount is not None:
            setattr(amounts, name, canonical_text(amount))


def _default_rules(
    rules: HPAScalingRules | None, policies: list[HPAScalingPolicy], window: int | None
) -> HPAScalingRules:
    rules = rules or HPAScalingRules()
    if rules.policies is None:
        rules.policies = policies
    if rules.selectPolicy is None:
        rules.selectPolicy = "Max"
    if rules.stabilizationWindowSeconds is None:
        rules.stabilizationWindowSeconds = window
    if rules.tolerance is not None:
        rules.tolerance = canonical_text(rules.tolerance)
    return rules


def _prepare_create(found: HorizontalPodAutoscaler) -> HorizontalPodAutoscaler:
    found.status = HorizontalPodAutoscalerStatus()
    return found


def _create_rules(found: HorizontalPodAutoscaler) -> Iterator[FieldError]:
    yield from version_errors(found.spec)


def autoscaler_transition(old: HorizontalPodAutoscaler, new: HorizontalPodAutoscaler) -> Iterator[FieldError]:
    before, after = old.spec.scaleTargetRef, new.spec.scaleTargetRef
    if (before.apiVersion, before.kind) != (after.apiVersion, after.kind):
        yield from version_errors(new.spec)


def _targets(found: HorizontalPodAutoscaler, _: Instant) -> str:
    metrics = found.spec.metrics
    if not metrics:
        return NONE
    statuses = found.status.currentMetrics or []
    shown = [
        _target(metric, statuses[number] if number < len(statuses) else None) for number, metric in enumerate(metrics)
    ]
    text = ", ".join(shown[:_SHOWN])
    return f"{text} + {len(shown) - _SHOWN} more..." if len(shown) > _SHOWN else text


def _target(metric: MetricSpec, status: MetricStatus | None) -> str:
    name = SOURCES.get(metric.type, "")
    source: Any = getattr(metric, name, None)
    if source is None:
        return "<unknown type>"
    observed: Any = getattr(status, name, None)
    current: MetricValueStatus = observed.current if observed is not None else MetricValueStatus()
    target: MetricTarget = source.target
    if name in ("resource", "containerResource"):
        if target.averageValue is not None:
            return f"{source.name}: {_text(current.averageValue)}/{target.averageValue}"
        percent = f"{target.averageUtilization}%" if target.averageUtilization is not None else "<auto>"
        use = f"{current.averageUtilization}%" if current.averageUtilization is not None else UNKNOWN
        return f"{source.name}: {use}/{percent}"
    if target.averageValue is not None:
        return f"{_text(current.averageValue)}/{target.averageValue}" + (" (avg)" if name != "pods" else "")
    return f"{_text(current.value)}/{_text(target.value)}"


def _text(amount: Any) -> str:
    return str(amount) if amount is not None else UNKNOWN


def _reference(found: HorizontalPodAutoscaler, _: Instant) -> str:
    return f"{found.spec.scaleTargetRef.kind}/{found.spec.scaleTargetRef.name}"


def _minimum(found: HorizontalPodAutoscaler, _: Instant) -> str:
    return UNSET if found.spec.minReplicas is None else str(found.spec.minReplicas)


COLUMNS: tuple[Column[HorizontalPodAutoscaler], ...] = (
    NAME,
    Column("Reference", _reference, doc="Kind and name of the workload that is scaled."),
    Column("Targets", _targets, doc="Observed and desired values of the metrics."),
    Column("MinPods", _minimum, doc="Smallest number of pods."),
    Column("MaxPods", lambda found, _: found.spec.maxReplicas, doc="Greatest number of pods."),
    Column("Replicas", lambda found, _: found.status.currentReplicas, doc="Number of pods, as last seen."),
    AGE,
)

STRATEGY: Strategy[HorizontalPodAutoscaler] = Strategy(
    type=HorizontalPodAutoscaler,
    columns=COLUMNS,
    default=default_autoscaler,
    prepare_create=_prepare_create,
    rules=autoscaler_errors,
    create_rules=_create_rules,
    transition=autoscaler_transition,
)
