"""The types of the first version of HorizontalPodAutoscaler."""

from typing import Annotated

import msgspec

from fairlead.api.meta.types import Int32, Int64, Object, Record, Time
from fairlead.machinery.kinds.kind import Atomic, Doc


class CrossVersionObjectReference(Record):
    """Reference to an object of the namespace in any version of its kind."""

    apiVersion: Annotated[str, Doc("API group and version of the referent.")] = ""
    kind: Annotated[str, Doc("Kind of the referent, in CamelCase.")] = msgspec.field(default_factory=str)
    name: Annotated[str, Doc("Name of the referent, in the same namespace.")] = msgspec.field(default_factory=str)


class HorizontalPodAutoscalerSpec(Record):
    """Desired state of a HorizontalPodAutoscaler: the workload, its bounds and the use of cpu."""

    maxReplicas: Annotated[Int32, Doc("Greatest number of pods; at least `minReplicas`.")] = msgspec.field(
        default_factory=int
    )
    minReplicas: Annotated[Int32, Doc("Smallest number of pods; default 1.")] | None = None
    scaleTargetRef: Annotated[
        CrossVersionObjectReference,
        Atomic(),
        Doc("Workload that is scaled, such as a Deployment; needs a scale subresource."),
    ] = msgspec.field(default_factory=CrossVersionObjectReference)
    targetCPUUtilizationPercentage: (
        Annotated[Int32, Doc("Average use of cpu over all pods to aim at, in per cent of their requests; default 80.")]
        | None
    ) = None


class HorizontalPodAutoscalerStatus(Record):
    """Most recently observed state of a HorizontalPodAutoscaler."""

    currentCPUUtilizationPercentage: (
        Annotated[Int32, Doc("Observed average use of cpu over all pods, in per cent of their requests.")] | None
    ) = None
    currentReplicas: Annotated[Int32, Doc("Number of the workload's pods, as last seen.")] = msgspec.field(
        default_factory=int
    )
    desiredReplicas: Annotated[Int32, Doc("Number of pods that the autoscaler last computed.")] = msgspec.field(
        default_factory=int
    )
    lastScaleTime: Annotated[Time, Doc("Time at which the number of pods was last changed.")] | None = None
    observedGeneration: (
        Annotated[Int64, Doc("Value of metadata.generation that the autoscaler last acted on.")] | None
    ) = None


class HorizontalPodAutoscaler(Object):
    """Changes the number of a workload's pods by the use of cpu, within bounds."""

    spec: Annotated[
        HorizontalPodAutoscalerSpec,
        Doc("Desired state of the autoscaler: the workload, bounds and the use of cpu."),
    ] = msgspec.field(default_factory=HorizontalPodAutoscalerSpec)
    status: Annotated[
        HorizontalPodAutoscalerStatus, Doc("Most recently observed state of the autoscaler; written by the system.")
    ] = msgspec.field(default_factory=HorizontalPodAutoscalerStatus)
