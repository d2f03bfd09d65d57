"""Metrics by which a HorizontalPodAutoscaler scales, and their observed values."""

from typing import Annotated

import msgspec

from fairlead.api.meta.types import Int32, LabelSelector, Quantity, Record
from fairlead.machinery.kinds.kind import Doc


class CrossVersionObjectReference(Record):
    """Reference to an object of the namespace in any version of its kind."""

    apiVersion: Annotated[str, Doc("API group and version of the referent.")] = ""
    kind: Annotated[str, Doc("Kind of the referent, in CamelCase.")] = msgspec.field(default_factory=str)
    name: Annotated[str, Doc("Name of the referent, in the same namespace.")] = msgspec.field(default_factory=str)


class MetricIdentifier(Record):
    """Name of a metric and the choice of its series."""

    name: Annotated[str, Doc("Name of the metric, as the metrics server knows it.")] = msgspec.field(
        default_factory=str
    )
    selector: Annotated[LabelSelector, Doc("Label selector of the metric's series; default: all series.")] | None = None


class MetricTarget(Record):
    """Value of a metric that the autoscaler aims at."""

    averageUtilization: (
        Annotated[Int32, Doc("Average use over all pods, in per cent of their requests; for type Utilization.")] | None
    ) = None
    averageValue: (
        Annotated[Quantity, Doc("Average value of the metric over all pods; for type AverageValue.")] | None
    ) = None
    type: Annotated[str, Doc("Form of the target: Utilization, Value or AverageValue.")] = msgspec.field(
        default_factory=str
    )
    value: Annotated[Quantity, Doc("Value of the metric itself; for type Value.")] | None = None


class MetricValueStatus(Record):
    """Observed value of a metric."""

    averageUtilization: (
        Annotated[Int32, Doc("Observed average use over all pods, in per cent of their requests.")] | None
    ) = None
    averageValue: Annotated[Quantity, Doc("Observed average value of the metric over all pods.")] | None = None
    value: Annotated[Quantity, Doc("Observed value of the metric itself.")] | None = None


class ObjectMetricSource(Record):
    """Metric that describes one object of the namespace."""

    describedObject: Annotated[
        CrossVersionObjectReference, Doc("Object that the metric describes, such as an Ingress.")
    ] = msgspec.field(default_factory=CrossVersionObjectReference)
    metric: Annotated[MetricIdentifier, Doc("Name of the metric and the choice of its series.")] = msgspec.field(
        default_factory=MetricIdentifier
    )
    target: Annotated[MetricTarget, Doc("Value of the metric that the autoscaler aims at.")] = msgspec.field(
        default_factory=MetricTarget
    )


class PodsMetricSource(Record):
    """Metric that each pod of the workload has."""

    metric: Annotated[MetricIdentifier, Doc("Name of the metric and the choice of its series.")] = msgspec.field(
        default_factory=MetricIdentifier
    )
    target: Annotated[MetricTarget, Doc("Average value over the pods that the autoscaler aims at.")] = msgspec.field(
        default_factory=MetricTarget
    )


class ResourceMetricSource(Record):
    """Use of a resource, such as cpu, by the pods of the workload."""

    name: Annotated[str, Doc("Name of the resource, such as cpu or memory.")] = msgspec.field(default_factory=str)
    target: Annotated[MetricTarget, Doc("Average use over the pods that the autoscaler aims at.")] = msgspec.field(
        default_factory=MetricTarget
    )


class ContainerResourceMetricSource(Record):
    """Use of a resource, such as cpu, by one container in each pod of the workload."""

    container: Annotated[str, Doc("Name of the container in the pods of the workload.")] = msgspec.field(
        default_factory=str
    )
    name: Annotated[str, Doc("Name of the resource, such as cpu or memory.")] = msgspec.field(default_factory=str)
    target: Annotated[MetricTarget, Doc("Average use over the pods that the autoscaler aims at.")] = msgspec.field(
        default_factory=MetricTarget
    )


class ExternalMetricSource(Record):
    """Metric from outside of the cluster, such as the length of a queue."""

    metric: Annotated[MetricIdentifier, Doc("Name of the metric and the choice of its series.")] = msgspec.field(
        default_factory=MetricIdentifier
    )
    target: Annotated[MetricTarget, Doc("Value of the metric that the autoscaler aims at.")] = msgspec.field(
        default_factory=MetricTarget
    )


class MetricSpec(Record):
    """Metric that a HorizontalPodAutoscaler scales by; exactly one source is given."""

    containerResource: (
        Annotated[ContainerResourceMetricSource, Doc("Use of a resource by one container in each pod.")] | None
    ) = None
    external: Annotated[ExternalMetricSource, Doc("Metric from outside of the cluster.")] | None = None
    object: Annotated[ObjectMetricSource, Doc("Metric that describes one object of the namespace.")] | None = None
    pods: Annotated[PodsMetricSource, Doc("Metric that each pod of the workload has.")] | None = None
    resource: Annotated[ResourceMetricSource, Doc("Use of a resource by the pods of the workload.")] | None = None
    type: Annotated[str, Doc("Source that is given: Resource, ContainerResource, Pods, Object or External.")] = (
        msgspec.field(default_factory=str)
    )


class ObjectMetricStatus(Record):
    """Observed value of a metric that describes one object."""

    current: Annotated[MetricValueStatus, Doc("Observed value of the metric.")] = msgspec.field(
        default_factory=MetricValueStatus
    )
    describedObject: Annotated[
        CrossVersionObjectReference, Doc("Object that the metric describes, such as an Ingress.")
    ] = msgspec.field(default_factory=CrossVersionObjectReference)
    metric: Annotated[MetricIdentifier, Doc("Name of the metric and the choice of its series.")] = msgspec.field(
        default_factory=MetricIdentifier
    )


class PodsMetricStatus(Record):
    """Observed value of a metric that each pod has."""

    current: Annotated[MetricValueStatus, Doc("Observed value of the metric.")] = msgspec.field(
        default_factory=MetricValueStatus
    )
    metric: Annotated[MetricIdentifier, Doc("Name of the metric and the choice of its series.")] = msgspec.field(
        default_factory=MetricIdentifier
    )


class ResourceMetricStatus(Record):
    """Observed use of a resource by the pods of the workload."""

    current: Annotated[MetricValueStatus, Doc("Observed use of the resource.")] = msgspec.field(
        default_factory=MetricValueStatus
    )
    name: Annotated[str, Doc("Name of the resource, such as cpu or memory.")] = msgspec.field(default_factory=str)


class ContainerResourceMetricStatus(Record):
    """Observed use of a resource by one container in each pod."""

    container: Annotated[str, Doc("Name of the container in the pods of the workload.")] = msgspec.field(
        default_factory=str
    )
    current: Annotated[MetricValueStatus, Doc("Observed use of the resource.")] = msgspec.field(
        default_factory=MetricValueStatus
    )
    name: Annotated[str, Doc("Name of the resource, such as cpu or memory.")] = msgspec.field(default_factory=str)


class ExternalMetricStatus(Record):
    """Observed value of a metric from outside of the cluster."""

    current: Annotated[MetricValueStatus, Doc("Observed value of the metric.")] = msgspec.field(
        default_factory=MetricValueStatus
    )
    metric: Annotated[MetricIdentifier, Doc("Name of the metric and the choice of its series.")] = msgspec.field(
        default_factory=MetricIdentifier
    )


class MetricStatus(Record):
    """Observed value of one of the metrics; exactly one source is given."""

    containerResource: (
        Annotated[ContainerResourceMetricStatus, Doc("Observed use of a resource by one container.")] | None
    ) = None
    external: Annotated[ExternalMetricStatus, Doc("Observed value of a metric from outside.")] | None = None
    object: Annotated[ObjectMetricStatus, Doc("Observed value of a metric that describes one object.")] | None = None
    pods: Annotated[PodsMetricStatus, Doc("Observed value of a metric that each pod has.")] | None = None
    resource: Annotated[ResourceMetricStatus, Doc("Observed use of a resource by the pods.")] | None = None
    type: Annotated[str, Doc("Source that is given: Resource, ContainerResource, Pods, Object or External.")] = (
        msgspec.field(default_factory=str)
    )
