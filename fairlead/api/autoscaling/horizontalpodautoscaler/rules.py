"""Checks of HorizontalPodAutoscalers.

Source of the rules and their texts: upstream's validation of autoscaling.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fairlead.api.autoscaling.horizontalpodautoscaler.metrics import (
    CrossVersionObjectReference,
    MetricIdentifier,
    MetricSpec,
    MetricTarget,
)
from fairlead.api.autoscaling.horizontalpodautoscaler.types import (
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerSpec,
    HPAScalingPolicy,
    HPAScalingRules,
)
from fairlead.api.core.amounts import value
from fairlead.api.core.resourcenames import amount_errors, container_name_errors
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, forbidden, invalid, not_supported, required

SOURCES = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
"""Types of metrics and the fields with their sources."""
_LONGEST_WINDOW_S = 3600
_LONGEST_PERIOD_S = 1800


def autoscaler_errors(found: HorizontalPodAutoscaler) -> Iterator[FieldError]:
    spec, path = found.spec, "spec"
    low, high = spec.minReplicas, spec.maxReplicas
    if low is not None and low < 1:
        yield invalid(f"{path}.minReplicas", low, "must be greater than or equal to 1")
    if high == 0:
        yield required(f"{path}.maxReplicas", "must be set and greater than 0")
    elif high < 0:
        yield invalid(f"{path}.maxReplicas", high, "must be greater than or equal to 1")
    if low is not None and high < low:
        yield invalid(f"{path}.maxReplicas", high, "must be greater than or equal to `minReplicas`")
    yield from _reference_errors(spec.scaleTargetRef, f"{path}.scaleTargetRef")
    for number, metric in enumerate(spec.metrics):
        yield from _metric_errors(metric, f"{path}.metrics[{number}]")
    if low == 0 and not any(metric.type in ("Object", "External") for metric in spec.metrics):
        text = "must specify at least one Object or External metric to support scaling to zero replicas"
        yield forbidden(f"{path}.metrics", text)
    if spec.behavior is not None:
        yield from _scaling_errors(spec.behavior.scaleUp, f"{path}.behavior.scaleUp")
        yield from _scaling_errors(spec.behavior.scaleDown, f"{path}.behavior.scaleDown")
    for name in ("currentReplicas", "desiredReplicas"):
        count = getattr(found.status, name) or 0
        if count < 0:
            yield invalid(f"status.{name}", count, "must be greater than or equal to 0")


def version_errors(spec: HorizontalPodAutoscalerSpec) -> Iterator[FieldError]:
    """Yields an error of the target's version. Upstream checks the version of a new or another target only, because
    old objects may have any text there."""
    ref = spec.scaleTargetRef
    path = "spec.scaleTargetRef.apiVersion"
    if ref.apiVersion.count("/") > 1:
        yield invalid(path, ref.apiVersion, f"unexpected GroupVersion string: {ref.apiVersion}")
    elif "/" not in ref.apiVersion and ref.kind != "ReplicationController":
        yield invalid(path, ref.apiVersion, "apiVersion must specify API group")


def _reference_errors(ref: CrossVersionObjectReference, path: str) -> Iterator[FieldError]:
    yield from _name_errors(ref.kind, f"{path}.kind")
    yield from _name_errors(ref.name, f"{path}.name")


def _name_errors(name: str, path: str, text: str = "") -> Iterator[FieldError]:
    if not name:
        yield required(path, text)
    for problem in names.path_segment(name) if name else ():
        yield invalid(path, name, problem)


def _metric_errors(metric: MetricSpec, path: str) -> Iterator[FieldError]:
    given = [name for name in ("object", "external", "pods", "resource", "containerResource") if getattr(metric, name)]
    if not metric.type:
        yield required(f"{path}.type", "must specify a metric source type")
    if metric.type not in SOURCES:
        yield not_supported(f"{path}.type", metric.type, tuple(SOURCES))
    if given:
        yield from _source_errors(given[0], getattr(metric, given[0]), f"{path}.{given[0]}")
    expected = SOURCES.get(metric.type)
    if expected is None:
        yield not_supported(f"{path}.type", metric.type, tuple(SOURCES))
    elif expected not in given:
        yield required(f"{path}.{expected}", "must populate information for the given metric source")
    if len(given) != 1:
        others = (name for name in given if name != expected)
        yield from (forbidden(f"{path}.{name}", "must populate the given metric source only") for name in others)


def _source_errors(name: str, source: Any, path: str) -> Iterator[FieldError]:
    target: MetricTarget = source.target
    where = f"{path}.target"
    if name == "object":
        yield from _reference_errors(source.describedObject, f"{path}.describedObject")
        if source.describedObject.apiVersion.count("/") > 1:
            text = f"unexpected GroupVersion string: {source.describedObject.apiVersion}"
            yield invalid(f"{path}.describedObject.apiVersion", source.describedObject.apiVersion, text)
    if name in ("object", "external", "pods"):
        metric: MetricIdentifier = source.metric
        yield from _name_errors(metric.name, f"{path}.metric.name", "must specify a metric name")
        yield from _target_errors(target, where)
        yield from _value_errors(name, target, where)
        return
    if not source.name:
        yield required(f"{path}.name", "must specify a resource name")
    elif name == "containerResource":
        yield from container_name_errors(source.name, f"{path}.name")
    if name == "containerResource":
        if not source.container:
            yield required(f"{path}.container", "must specify a container")
        for text in names.dns1123_label(source.container) if source.container else ():
            yield invalid(f"{path}.container", source.container, text)
    yield from _target_errors(target, where)
    if target.averageUtilization is None and target.averageValue is None:
        yield required(f"{where}.averageUtilization", "must set either a target raw value or a target utilization")
    if target.averageUtilization is not None and target.averageValue is not None:
        yield forbidden(f"{where}.averageValue", "may not set both a target raw value and a target utilization")


def _value_errors(name: str, target: MetricTarget, path: str) -> Iterator[FieldError]:
    if name == "pods":
        if target.averageValue is None:
            yield required(f"{path}.averageValue", "must specify a positive target averageValue")
        return
    if target.value is None and target.averageValue is None:
        text = {
            "object": "must set either a target value or averageValue",
            "external": "must set either a target value for metric or a per-pod target",
        }
        yield required(f"{path}.averageValue", text[name])
    if name == "external" and target.value is not None and target.averageValue is not None:
        yield forbidden(f"{path}.value", "may not set both a target value for metric and a per-pod target")


def _target_errors(target: MetricTarget, path: str) -> Iterator[FieldError]:
    if not target.type:
        yield required(f"{path}.type", "must specify a metric target type")
    if target.type not in ("Utilization", "Value", "AverageValue"):
        yield invalid(f"{path}.type", target.type, "must be either Utilization, Value, or AverageValue")
    for name in ("value", "averageValue"):
        amount = getattr(target, name)
        if amount is not None and value(str(amount)) <= 0:
            yield invalid(f"{path}.{name}", str(amount), "must be positive")
    if target.averageUtilization is not None and target.averageUtilization < 1:
        yield invalid(f"{path}.averageUtilization", target.averageUtilization, "must be greater than 0")


def _scaling_errors(rules: HPAScalingRules | None, path: str) -> Iterator[FieldError]:
    if rules is None:
        return
    window = rules.stabilizationWindowSeconds
    if window is not None and window < 0:
        yield invalid(f"{path}.stabilizationWindowSeconds", window, "must be greater than or equal to zero")
    if window is not None and window > _LONGEST_WINDOW_S:
        text = f"must be less than or equal to {_LONGEST_WINDOW_S}"
        yield invalid(f"{path}.stabilizationWindowSeconds", window, text)
    if rules.selectPolicy is not None and rules.selectPolicy not in ("Disabled", "Max", "Min"):
        yield not_supported(f"{path}.selectPolicy", rules.selectPolicy, ("Disabled", "Max", "Min"))
    if not rules.policies:
        yield required(f"{path}.policies", "must specify at least one Policy")
    for number, policy in enumerate(rules.policies or ()):
        yield from _policy_errors(policy, f"{path}.policies[{number}]")
    if rules.tolerance is not None:
        yield from amount_errors(rules.tolerance, f"{path}.tolerance")


def _policy_errors(policy: HPAScalingPolicy, path: str) -> Iterator[FieldError]:
    if policy.type not in ("Pods", "Percent"):
        yield not_supported(f"{path}.type", policy.type, ("Pods", "Percent"))
    if policy.value <= 0:
        yield invalid(f"{path}.value", policy.value, "must be greater than zero")
    if policy.periodSeconds <= 0:
        yield invalid(f"{path}.periodSeconds", policy.periodSeconds, "must be greater than zero")
    if policy.periodSeconds > _LONGEST_PERIOD_S:
        text = f"must be less than or equal to {_LONGEST_PERIOD_S}"
        yield invalid(f"{path}.periodSeconds", policy.periodSeconds, text)
