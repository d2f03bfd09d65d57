"""The number of pods that one metric proposes, with upstream's names and errors."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from fairlead.api.autoscaling.horizontalpodautoscaler.metrics import (
    ContainerResourceMetricStatus,
    ExternalMetricStatus,
    MetricSpec,
    MetricStatus,
    MetricTarget,
    MetricValueStatus,
    ObjectMetricStatus,
    PodsMetricStatus,
    ResourceMetricStatus,
)
from fairlead.api.meta.types import LabelSelector
from fairlead.base.dataclass import dataclass
from fairlead.controllers.workloads.autoscaling import replicas
from fairlead.controllers.workloads.autoscaling.values import Facts, NotComputable, Observed, PodValues
from fairlead.machinery.values.quantity import Quantity, milli


@dataclass(frozen=True, slots=True)
class Proposal:
    """A number of pods, the name of the metric for messages, and the metric's observed value."""

    replicas: int
    name: str
    status: MetricStatus


@dataclass(frozen=True, slots=True)
class Failure:
    """The reason why a metric proposes nothing, for the event and the condition; `error` is its text in the sum."""

    reason: str
    message: str
    error: str


def propose(metric: MetricSpec, observed: Observed | NotComputable, facts: Facts) -> Proposal | Failure:
    """Returns the proposal of the metric. `observed` is a NotComputable if the values could not be read."""
    match metric.type:
        case "Resource" | "ContainerResource":
            return _of_resource(metric, observed, facts)
        case "Pods":
            return _of_pods(metric, observed, facts)
        case "Object":
            return _of_object(metric, observed, facts)
        case "External":
            return _of_external(metric, observed, facts)
        case _:
            text = f'unknown metric source type "{metric.type}"'
            return Failure("InvalidMetricSourceType", text, text)


def selector_text(selector: LabelSelector | None) -> str:
    """Returns the selector as upstream's messages show it."""
    if selector is None:
        return "nil"
    labels = "".join(f"{key}: {value}," for key, value in sorted(selector.matchLabels.items()))
    terms = "".join(
        f"LabelSelectorRequirement{{Key:{e.key},Operator:{e.operator},Values:[{' '.join(e.values)}],}},"
        for e in selector.matchExpressions
    )
    terms_text = f"MatchExpressions:[]LabelSelectorRequirement{{{terms}}}"
    return f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},{terms_text},}}"


def _of_resource(metric: MetricSpec, observed: Observed | NotComputable, facts: Facts) -> Proposal | Failure:
    container, source = "", metric.resource
    if metric.containerResource is not None:
        container = metric.containerResource.container
    one = source or metric.containerResource
    assert one is not None
    what = "usage" if one.target.averageValue is not None else "utilization"
    try:
        if isinstance(observed, NotComputable):
            raise NotComputable(f"unable to get metrics for resource {one.name}: {observed}")
        found, current = _resource_replicas(one.name, container, one.target, _pod_values(observed), facts)
    except NotComputable as error:
        text = f"failed to get {one.name} {what}: {error}"
        if source is not None:
            failed = f"failed to get {one.name} resource metric value: {text}"
            return Failure("FailedGetResourceMetric", text, failed)
        failed = f"failed to get {container} container metric value: {text}"
        return Failure("FailedGetContainerResourceMetric", text, failed)
    kind = "container resource" if container else "resource"
    name = f"{one.name} {kind} utilization (percentage of request)" if what == "utilization" else f"{one.name} resource"
    if source is not None:
        status = MetricStatus(type="Resource", resource=ResourceMetricStatus(name=one.name, current=current))
    else:
        own = ContainerResourceMetricStatus(name=one.name, container=container, current=current)
        status = MetricStatus(type="ContainerResource", containerResource=own)
    return Proposal(found, name, status)


def _resource_replicas(
    name: str, container: str, target: MetricTarget, values: PodValues, facts: Facts
) -> tuple[int, MetricValueStatus]:
    binary = name == "memory"
    if target.averageValue is not None:
        found, usage = replicas.by_average(milli(str(target.averageValue)), values, facts, resource=name)
        return found, MetricValueStatus(averageValue=amount(usage, binary=binary))
    if target.averageUtilization is None:
        raise NotComputable(
            "invalid resource metric source: neither an average utilization target nor an average value (usage) target "
            "was set"
        )
    found, use = replicas.by_utilization(target.averageUtilization, values, facts, resource=name, container=container)
    return found, MetricValueStatus(averageUtilization=use.percent, averageValue=amount(use.average, binary=binary))


def _of_pods(metric: MetricSpec, observed: Observed | NotComputable, facts: Facts) -> Proposal | Failure:
    source = metric.pods
    assert source is not None
    name = source.metric.name
    try:
        if isinstance(observed, NotComputable):
            raise NotComputable(f"unable to get metric {name}: {observed}")
        found, usage = replicas.by_average(
            milli(str(source.target.averageValue)), _pod_values(observed), facts, resource=""
        )
    except NotComputable as error:
        return Failure("FailedGetPodsMetric", str(error), f"failed to get pods metric value: {error}")
    status = PodsMetricStatus(metric=source.metric, current=MetricValueStatus(averageValue=amount(usage)))
    return Proposal(found, f"pods metric {name}", MetricStatus(type="Pods", pods=status))


def _of_object(metric: MetricSpec, observed: Observed | NotComputable, facts: Facts) -> Proposal | Failure:
    source = metric.object
    assert source is not None
    name, about = source.metric.name, source.describedObject
    average = source.target.type == "AverageValue" and source.target.averageValue is not None
    try:
        if isinstance(observed, NotComputable):
            where = f"{about.kind} {facts.namespace}/{about.name}"
            raise NotComputable(f"unable to get metric {name}: {observed} on {where}")
        found, current = _whole_replicas(source.target, average, sum(_numbers(observed)), facts)
    except NotComputable as error:
        inner = f"failed to get {name} object metric: {error}" if average else str(error)
        return Failure("FailedGetObjectMetric", str(error), f"failed to get object metric value: {inner}")
    status = ObjectMetricStatus(metric=source.metric, describedObject=about, current=current)
    shown = (
        f"external metric {name}({selector_text(source.metric.selector)})" if average else f"{about.kind} metric {name}"
    )
    return Proposal(found, shown, MetricStatus(type="Object", object=status))


def _of_external(metric: MetricSpec, observed: Observed | NotComputable, facts: Facts) -> Proposal | Failure:
    source = metric.external
    assert source is not None
    name, selector = source.metric.name, selector_text(source.metric.selector)
    average = source.target.averageValue is not None
    try:
        if isinstance(observed, NotComputable):
            raise NotComputable(f"unable to get external metric {facts.namespace}/{name}/{selector}: {observed}")
        found, current = _whole_replicas(source.target, average, sum(_numbers(observed)), facts)
    except NotComputable as error:
        inner = f"failed to get {name} external metric: {error}"
        if not average:
            inner = f"failed to get external metric {name}: {error}"
        return Failure("FailedGetExternalMetric", str(error), f"failed to get {name} external metric value: {inner}")
    status = ExternalMetricStatus(metric=source.metric, current=current)
    return Proposal(found, f"external metric {name}({selector})", MetricStatus(type="External", external=status))


def _whole_replicas(target: MetricTarget, average: bool, usage: int, facts: Facts) -> tuple[int, MetricValueStatus]:
    """Returns the number of pods for a value of the whole, and the value to show: of the whole, or of each pod."""
    if average:
        found, share = replicas.per_pod(usage, milli(str(target.averageValue)), facts)
        return found, MetricValueStatus(averageValue=amount(share))
    if target.value is None:
        raise NotComputable("invalid metric source: neither a value target nor an average value target was set")
    found = replicas.by_ratio(usage / milli(str(target.value)), facts)
    return found, MetricValueStatus(value=amount(usage))


def amount(value: int, *, binary: bool = False) -> str:
    """Returns thousandths as a quantity: 250 is `250m`."""
    return str(Quantity(Fraction(value, 1000), "binary" if binary else "decimal"))


def _pod_values(observed: Observed) -> PodValues:
    if not isinstance(observed, dict):
        raise NotComputable("the metric has no values of pods")
    return observed


def _numbers(observed: Observed) -> Sequence[int]:
    if isinstance(observed, dict):
        raise NotComputable("the metric has values of pods only")
    return tuple(value for value in observed if isinstance(value, int))
