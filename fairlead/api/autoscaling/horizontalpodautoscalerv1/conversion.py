"""The conversion between the two versions of HorizontalPodAutoscaler.

Facts for which the first version lacks a field (further metrics, values, limits, conditions) are written into
annotations in upstream's forms, and read back from them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from fairlead.api.autoscaling.horizontalpodautoscaler.kind import DEFAULT_UTILIZATION, cpu_metric, default_autoscaler
from fairlead.api.autoscaling.horizontalpodautoscaler.metrics import (
    CrossVersionObjectReference as HubReference,
)
from fairlead.api.autoscaling.horizontalpodautoscaler.metrics import (
    MetricSpec,
    MetricStatus,
    MetricValueStatus,
    ResourceMetricStatus,
)
from fairlead.api.autoscaling.horizontalpodautoscaler.rules import SOURCES
from fairlead.api.autoscaling.horizontalpodautoscaler.types import HorizontalPodAutoscaler as Hub
from fairlead.api.autoscaling.horizontalpodautoscaler.types import (
    HorizontalPodAutoscalerBehavior,
    HorizontalPodAutoscalerCondition,
)
from fairlead.api.autoscaling.horizontalpodautoscaler.types import HorizontalPodAutoscalerSpec as HubSpec
from fairlead.api.autoscaling.horizontalpodautoscaler.types import HorizontalPodAutoscalerStatus as HubStatus
from fairlead.api.autoscaling.horizontalpodautoscalerv1.types import (
    CrossVersionObjectReference,
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerSpec,
    HorizontalPodAutoscalerStatus,
)

T = TypeVar("T")
Tree = dict[str, Any]
_PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS, CURRENT_METRICS = f"{_PREFIX}metrics", f"{_PREFIX}current-metrics"
BEHAVIOR, CONDITIONS = f"{_PREFIX}behavior", f"{_PREFIX}conditions"
_OWN = (METRICS, CURRENT_METRICS, BEHAVIOR, CONDITIONS)
_COPIED = ("observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas")


def to_storage(found: HorizontalPodAutoscaler) -> Hub:
    """Returns the autoscaler in the storage version, with its defaults."""
    meta, spec, status = found.metadata, found.spec, found.status
    given = meta.annotations
    metrics = _read(given, METRICS, lambda trees: [msgspec.convert(_metric(tree), MetricSpec) for tree in trees]) or []
    if spec.targetCPUUtilizationPercentage is not None:
        metrics.append(cpu_metric(spec.targetCPUUtilizationPercentage))
    ref = spec.scaleTargetRef
    hub = Hub(
        kind=found.kind,
        apiVersion=found.apiVersion,
        metadata=msgspec.structs.replace(meta, annotations=_without_own(given)),
        spec=HubSpec(
            scaleTargetRef=HubReference(apiVersion=ref.apiVersion, kind=ref.kind, name=ref.name),
            minReplicas=spec.minReplicas,
            maxReplicas=spec.maxReplicas,
            metrics=metrics or [cpu_metric(DEFAULT_UTILIZATION)],
            behavior=_read(given, BEHAVIOR, _behavior),
        ),
        status=HubStatus(
            **{name: getattr(status, name) for name in _COPIED},
            currentMetrics=_read(given, CURRENT_METRICS, _statuses) or _cpu_status(status),
            conditions=_read(given, CONDITIONS, _conditions) or [],
        ),
    )
    return default_autoscaler(hub)


def from_storage(hub: Hub) -> HorizontalPodAutoscaler:
    spec, status = hub.spec, hub.status
    annotations = _without_own(hub.metadata.annotations)
    if others := [_old_metric(metric) for metric in spec.metrics if not _is_cpu(metric)]:
        annotations[METRICS] = _json(others)
    if status.currentMetrics:
        annotations[CURRENT_METRICS] = _json([_old_status(metric) for metric in status.currentMetrics])
    if spec.behavior is not None:
        annotations[BEHAVIOR] = _json(_capitalized(spec.behavior))
    if status.conditions:
        annotations[CONDITIONS] = _json(msgspec.to_builtins(status.conditions))
    ref = spec.scaleTargetRef
    cpu = next((metric for metric in spec.metrics if _is_cpu(metric)), None)
    return HorizontalPodAutoscaler(
        kind=hub.kind,
        apiVersion=hub.apiVersion,
        metadata=msgspec.structs.replace(hub.metadata, annotations=annotations),
        spec=HorizontalPodAutoscalerSpec(
            scaleTargetRef=CrossVersionObjectReference(apiVersion=ref.apiVersion, kind=ref.kind, name=ref.name),
            minReplicas=spec.minReplicas,
            maxReplicas=spec.maxReplicas,
            targetCPUUtilizationPercentage=cpu.resource.target.averageUtilization if cpu and cpu.resource else None,
        ),
        status=HorizontalPodAutoscalerStatus(
            **{name: getattr(status, name) for name in _COPIED}, currentCPUUtilizationPercentage=_cpu_use(status)
        ),
    )


def _without_own(annotations: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in annotations.items() if name not in _OWN}


def _json(tree: Any) -> str:
    return msgspec.json.encode(tree).decode()


def _read(annotations: Mapping[str, str], name: str, parse: Callable[[Any], T]) -> T | None:
    """Returns the value of an annotation; None if it is absent or unreadable, as upstream takes it."""
    if name not in annotations:
        return None
    try:
        return parse(msgspec.json.decode(annotations[name]))
    except (msgspec.MsgspecError, KeyError, TypeError, AttributeError):
        return None


def _is_cpu(metric: MetricSpec) -> bool:
    source = metric.resource
    return source is not None and source.name == "cpu" and source.target.averageUtilization is not None


def _cpu_status(status: HorizontalPodAutoscalerStatus) -> list[MetricStatus] | None:
    use = status.currentCPUUtilizationPercentage
    if use is None:
        return None
    current = MetricValueStatus(averageUtilization=use)
    return [MetricStatus(type="Resource", resource=ResourceMetricStatus(name="cpu", current=current))]


def _cpu_use(status: HubStatus) -> int | None:
    uses = (m.resource.current.averageUtilization for m in status.currentMetrics or () if m.resource is not None)
    return next((use for use in uses if use is not None), None)


def _old_metric(metric: MetricSpec) -> Tree:
    name = SOURCES.get(metric.type, "")
    source: Any = getattr(metric, name, None)
    if source is None:
        return {"type": metric.type}
    target = source.target
    found = _old_names(name, source)
    match name:
        case "object":
            found |= {"targetValue": target.value or "0", "averageValue": target.averageValue}
        case "pods":
            found |= {"targetAverageValue": target.averageValue or "0"}
        case "external":
            found |= {"targetValue": target.value, "targetAverageValue": target.averageValue}
        case _:
            found |= {
                "targetAverageUtilization": target.averageUtilization,
                "targetAverageValue": target.averageValue,
            }
    return {"type": metric.type, name: _given(found)}


def _old_status(metric: MetricStatus) -> Tree:
    name = SOURCES.get(metric.type, "")
    source: Any = getattr(metric, name, None)
    if source is None:
        return {"type": metric.type}
    current = source.current
    found = _old_names(name, source)
    match name:
        case "object":
            found |= {"currentValue": current.value or "0", "averageValue": current.averageValue}
        case "pods":
            found |= {"currentAverageValue": current.averageValue or "0"}
        case "external":
            found |= {"currentValue": current.value or "0", "currentAverageValue": current.averageValue}
        case _:
            found |= {
                "currentAverageUtilization": current.averageUtilization,
                "currentAverageValue": current.averageValue or "0",
            }
    return {"type": metric.type, name: _given(found)}


def _old_names(name: str, source: Any) -> Tree:
    """Returns the fields that name a metric, in the form of the first version."""
    if name in ("resource", "containerResource"):
        return {"name": source.name, "container": getattr(source, "container", None)}
    selector = msgspec.to_builtins(source.metric.selector)
    found = {"metricName": source.metric.name, "metricSelector" if name == "external" else "selector": selector}
    return found | ({"target": msgspec.to_builtins(source.describedObject)} if name == "object" else {})


def _given(tree: Tree) -> Tree:
    return {name: value for name, value in tree.items() if value is not None}


def _metric(tree: Tree) -> Tree:
    """Returns a metric of the first version in the form of the second."""
    name = SOURCES.get(tree["type"], "")
    if name not in tree:
        return {"type": tree["type"]}
    old = tree[name]
    average = old.get("averageValue" if name == "object" else "targetAverageValue")
    use, value = old.get("targetAverageUtilization"), old.get("targetValue")
    if name in ("resource", "containerResource"):
        type = "Utilization" if use is not None else "AverageValue"
    else:
        type = "Value" if average is None else "AverageValue"
    target = _given({"type": type, "value": value, "averageValue": average, "averageUtilization": use})
    return {"type": tree["type"], name: {"target": target} | _new_names(name, old)}


def _status(tree: Tree) -> Tree:
    name = SOURCES.get(tree["type"], "")
    if name not in tree:
        return {"type": tree["type"]}
    old = tree[name]
    average = old.get("averageValue" if name == "object" else "currentAverageValue")
    use = old.get("currentAverageUtilization")
    current = _given({"value": old.get("currentValue"), "averageValue": average, "averageUtilization": use})
    return {"type": tree["type"], name: {"current": current} | _new_names(name, old)}


def _new_names(name: str, old: Tree) -> Tree:
    if name in ("resource", "containerResource"):
        return _given({"name": old["name"], "container": old.get("container")})
    metric = _given({"name": old["metricName"], "selector": old.get("metricSelector", old.get("selector"))})
    return {"metric": metric} | ({"describedObject": old["target"]} if name == "object" else {})


def _statuses(trees: Any) -> list[MetricStatus]:
    return [msgspec.convert(_status(tree), MetricStatus) for tree in trees]


def _conditions(trees: Any) -> list[HorizontalPodAutoscalerCondition]:
    return msgspec.convert(trees, list[HorizontalPodAutoscalerCondition])


def _behavior(tree: Any) -> HorizontalPodAutoscalerBehavior:
    return msgspec.convert(_uncapitalized(tree), HorizontalPodAutoscalerBehavior)


def _capitalized(value: Any) -> Any:
    """Returns the tree with the names of Go's fields, which upstream writes into this annotation."""
    if isinstance(value, msgspec.Struct):
        return {name[0].upper() + name[1:]: _capitalized(getattr(value, name)) for name in value.__struct_fields__}
    return [_capitalized(item) for item in value] if isinstance(value, list) else value


def _uncapitalized(value: Any) -> Any:
    if isinstance(value, dict):
        return {name[0].lower() + name[1:]: _uncapitalized(item) for name, item in value.items() if item is not None}
    return [_uncapitalized(item) for item in value] if isinstance(value, list) else value
