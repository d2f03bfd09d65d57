"""Types of a HorizontalPodAutoscaler."""

from typing import Annotated

import msgspec

from fairlead.api.autoscaling.horizontalpodautoscaler.metrics import (
    CrossVersionObjectReference,
    MetricSpec,
    MetricStatus,
)
from fairlead.api.meta.types import BY_TYPE, Int32, Int64, Object, Quantity, Record, Time
from fairlead.machinery.kinds.kind import Atomic, Doc


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
