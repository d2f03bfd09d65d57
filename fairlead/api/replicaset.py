"""A replica set: pods of one template kept at a number."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.meta import BY_TYPE, Int32, Int64, LabelSelector, Object, Record, Time
from fairlead.api.podspec import PodTemplateSpec
from fairlead.machinery.kind import Atomic, Kind, Required


class ReplicaSetSpec(Record):
    selector: Annotated[LabelSelector, Atomic(), Required()] | None = None
    minReadySeconds: Int32 = 0
    replicas: Int32 | None = None
    template: PodTemplateSpec = msgspec.field(default_factory=PodTemplateSpec)


class ReplicaSetCondition(Record):
    type: str = ""
    lastTransitionTime: Time | None = None
    message: str = ""
    reason: str = ""
    status: str = ""


class ReplicaSetStatus(Record):
    replicas: Int32 = msgspec.field(default_factory=int)
    availableReplicas: Int32 = 0
    conditions: Annotated[list[ReplicaSetCondition], BY_TYPE] = []
    fullyLabeledReplicas: Int32 = 0
    observedGeneration: Int64 = 0
    readyReplicas: Int32 = 0
    terminatingReplicas: Int32 | None = None


class ReplicaSet(Object):
    spec: ReplicaSetSpec = msgspec.field(default_factory=ReplicaSetSpec)
    status: ReplicaSetStatus = msgspec.field(default_factory=ReplicaSetStatus)


REPLICA_SET = Kind(
    type=ReplicaSet,
    kind="ReplicaSet",
    group="apps",
    plural="replicasets",
    singular="replicaset",
    short_names=("rs",),
    categories=("all",),
    status=True,
    scale=True,
    generation=True,
)
