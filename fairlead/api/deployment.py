"""A deployment: pods kept at a number and a version, changed gradually."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.meta import BY_TYPE, Int32, Int64, IntOrString, LabelSelector, Object, Record, Time
from fairlead.api.podspec import PodTemplateSpec
from fairlead.machinery.kind import Atomic, Kind, OneOf, Required, RetainKeys


class RollingUpdateDeployment(Record):
    maxSurge: IntOrString | None = None
    maxUnavailable: IntOrString | None = None


class DeploymentStrategy(Record):
    type: Annotated[str, OneOf("Recreate", "RollingUpdate")] = ""
    rollingUpdate: RollingUpdateDeployment | None = None


class DeploymentSpec(Record):
    selector: Annotated[LabelSelector, Atomic(), Required()] | None = None
    template: PodTemplateSpec = msgspec.field(default_factory=PodTemplateSpec)
    minReadySeconds: Int32 = 0
    paused: bool = False
    progressDeadlineSeconds: Int32 | None = None
    replicas: Int32 | None = None
    revisionHistoryLimit: Int32 | None = None
    strategy: Annotated[DeploymentStrategy, RetainKeys()] = msgspec.field(default_factory=DeploymentStrategy)


class DeploymentCondition(Record):
    type: str = ""
    lastTransitionTime: Time | None = None
    lastUpdateTime: Time | None = None
    message: str = ""
    reason: str = ""
    status: str = ""


class DeploymentStatus(Record):
    availableReplicas: Int32 = 0
    collisionCount: Int32 | None = None
    conditions: Annotated[list[DeploymentCondition], BY_TYPE] = []
    observedGeneration: Int64 = 0
    readyReplicas: Int32 = 0
    replicas: Int32 = 0
    terminatingReplicas: Int32 | None = None
    unavailableReplicas: Int32 = 0
    updatedReplicas: Int32 = 0


class Deployment(Object):
    spec: DeploymentSpec = msgspec.field(default_factory=DeploymentSpec)
    status: DeploymentStatus = msgspec.field(default_factory=DeploymentStatus)


DEPLOYMENT = Kind(
    type=Deployment,
    kind="Deployment",
    group="apps",
    plural="deployments",
    singular="deployment",
    short_names=("deploy",),
    categories=("all",),
    status=True,
    scale=True,
    generation=True,
)
