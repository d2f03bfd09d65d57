"""The HorizontalPodAutoscaler kind (v2): changes the number of a workload's pods by metrics."""

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from fairlead.api.autoscaling.horizontalpodautoscaler.metrics import (
    CrossVersionObjectReference,
    MetricSpec,
    MetricStatus,
    MetricTarget,
    MetricValueStatus,
    ResourceMetricSource,
)
from fairlead.api.autoscaling.horizontalpodautoscaler.rules import SOURCES, autoscaler_errors, version_errors
from fairlead.api.core.amounts import canonical_text
from fairlead.api.meta.columns import AGE, NAME, NONE, UNKNOWN, UNSET
from fairlead.api.meta.types import BY_TYPE, Int32, Int64, Object, Quantity, Record, Time
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Atomic, Column, Doc, Strategy
from fairlead.machinery.values.status import FieldError

DEFAULT_UTILIZATION = 80
"""Target of the use of cpu in per cent if no metric is given."""
_SHOWN = 2


class HPAScalingPolicy(Record):
    """Limit of a change in one direction within a period."""

    periodSeconds: Annotated[Int32, Doc("Seconds within which the limit applies, at most 1800.")] = msgspec.field(
        default_factory=int
    )
    type: Annotated[str, Doc("Unit of the limit: Pods or Percent of the present number.")] = msgspec.field(
        default_factory=str
    )
    value: Annotated[Int32, Doc("Greatest permitted change within the period.")] = msgspec.field(default_factory=int)


class HPAScalingRules(Record):
    """Limits of changes in one direction, up or down."""

    policies: (
        Annotated[list[HPAScalingPolicy], Atomic(), Doc("Limits of changes, of which `selectPolicy` chooses one.")]
        | None
    ) = None
    selectPolicy: (
        Annotated[str, Doc("Choice among the policies: Max (default), Min, or Disabled for no change at all.")] | None
    ) = None
    stabilizationWindowSeconds: (
        Annotated[Int32, Doc("Seconds of past recommendations that count, at most 3600; default 0 up, 300 down.")]
        | None
    ) = None
    tolerance: (
        Annotated[Quantity, Doc("Deviation from the target that causes no change, such as 0.05; default 0.1.")] | None
    ) = None


class HorizontalPodAutoscalerBehavior(Record):
    """Limits of changes in both directions."""

    scaleDown: Annotated[HPAScalingRules, Doc("Limits of changes to fewer pods.")] | None = None
    scaleUp: Annotated[HPAScalingRules, Doc("Limits of changes to more pods.")] | None = None


class HorizontalPodAutoscalerSpec(Record):
    """Desired state of a HorizontalPodAutoscaler: the workload, its bounds and the metrics."""

    behavior: (
        Annotated[HorizontalPodAutoscalerBehavior, Doc("Limits of changes in both directions; default: fast.")] | None
    ) = None
    maxReplicas: Annotated[Int32, Doc("Greatest number of pods; at least `minReplicas`.")] = msgspec.field(
        default_factory=int
    )
    metrics: Annotated[
        list[MetricSpec], Atomic(), Doc("Metrics to scale by; the greatest result wins; default: 80 % of cpu.")
    ] = []
    minReplicas: Annotated[Int32, Doc("Smallest number of pods; default 1.")] | None = None
    scaleTargetRef: Annotated[
        CrossVersionObjectReference, Doc("Workload that is scaled, such as a Deployment; needs a scale subresource.")
    ] = msgspec.field(default_factory=CrossVersionObjectReference)


class HorizontalPodAutoscalerCondition(Record):
    """Observation about an autoscaler, such as whether it can scale."""

    type: Annotated[str, Doc("Type of the condition: AbleToScale, ScalingActive or ScalingLimited.")] = msgspec.field(
        default_factory=str
    )
    lastTransitionTime: Annotated[Time, Doc("Time at which the status of the condition last changed.")] | None = None
    message: Annotated[str, Doc("Human-readable details about the last transition of the condition.")] = ""
    reason: Annotated[str, Doc("Reason of the last transition as one CamelCase word, for programs.")] = ""
    status: Annotated[str, Doc("Status of the condition: True, False or Unknown.")] = msgspec.field(default_factory=str)


class HorizontalPodAutoscalerStatus(Record):
    """Most recently observed state of a HorizontalPodAutoscaler."""

    conditions: Annotated[
        list[HorizontalPodAutoscalerCondition], BY_TYPE, Doc("Most recent observations of the autoscaler's work.")
    ] = []
    currentMetrics: Annotated[list[MetricStatus], Atomic(), Doc("Observed values of the metrics.")] | None = (
        msgspec.field(default_factory=lambda: None)
    )
    currentReplicas: Annotated[Int32, Doc("Number of the workload's pods, as last seen.")] = 0
    desiredReplicas: Annotated[Int32, Doc("Number of pods that the autoscaler last computed.")] = msgspec.field(
        default_factory=int
    )
    lastScaleTime: Annotated[Time, Doc("Time at which the number of pods was last changed.")] | None = None
    observedGeneration: (
        Annotated[Int64, Doc("Value of metadata.generation that the autoscaler last acted on.")] | None
    ) = None


class HorizontalPodAutoscaler(Object):
    """Changes the number of a workload's pods by metrics, within bounds."""

    spec: Annotated[
        HorizontalPodAutoscalerSpec, Doc("Desired state of the autoscaler: the workload, its bounds and the metrics.")
    ] = msgspec.field(default_factory=HorizontalPodAutoscalerSpec)
    status: Annotated[
        HorizontalPodAutoscalerStatus, Doc("Most recently observed state of the autoscaler; written by the system.")
    ] = msgspec.field(default_factory=HorizontalPodAutoscalerStatus)


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
