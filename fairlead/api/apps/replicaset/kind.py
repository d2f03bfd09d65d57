"""The ReplicaSet kind: keeps a number of pods of one template."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.apps.workload_rules import workload_errors
from fairlead.api.core.pod.spec import PodTemplateSpec
from fairlead.api.core.pod.template import TEMPLATE, default_pod_spec, pod_warnings
from fairlead.api.meta.columns import AGE, NAME, REPLICAS
from fairlead.api.meta.rules import not_negative
from fairlead.api.meta.types import BY_TYPE, Int32, Int64, LabelSelector, Object, Record, Time
from fairlead.machinery.kinds.kind import Atomic, Doc, Immutable, Kind, Required
from fairlead.machinery.values.status import FieldError


class ReplicaSetSpec(Record):
    """Desired state of a ReplicaSet: the pod template, the selector and the number of pods."""

    selector: (
        Annotated[
            LabelSelector,
            Atomic(),
            Required(),
            Immutable(),
            Doc("Label selector of the replica set's pods; must match the template's labels and is immutable."),
        ]
        | None
    ) = None
    minReadySeconds: Annotated[
        Int32, Doc("Seconds that a new pod must stay ready before it counts as available; default 0.")
    ] = 0
    replicas: Annotated[Int32, Doc("Desired number of pods; default 1, and 0 removes all pods.")] | None = None
    template: Annotated[PodTemplateSpec, Doc("Template that new pods are created from.")] = msgspec.field(
        default_factory=PodTemplateSpec
    )


class ReplicaSetCondition(Record):
    """Observation about a ReplicaSet, such as a failure to create pods."""

    type: Annotated[str, Doc("Type of the condition: ReplicaFailure (a pod could not be created or deleted).")] = ""
    lastTransitionTime: Annotated[Time, Doc("Time at which the status of the condition last changed.")] | None = None
    message: Annotated[str, Doc("Human-readable details about the last transition of the condition.")] = ""
    reason: Annotated[str, Doc("Reason of the last transition as one CamelCase word, for programs.")] = ""
    status: Annotated[str, Doc("Status of the condition: True, False or Unknown.")] = ""


class ReplicaSetStatus(Record):
    """Most recently observed state of a ReplicaSet: its pod counts and conditions."""

    replicas: Annotated[Int32, Doc("Number of the replica set's pods that exist and do not terminate.")] = (
        msgspec.field(default_factory=int)
    )
    availableReplicas: Annotated[Int32, Doc("Number of pods that have been ready for at least minReadySeconds.")] = 0
    conditions: Annotated[
        list[ReplicaSetCondition], BY_TYPE, Doc("Most recent observations of the replica set's state.")
    ] = []
    fullyLabeledReplicas: Annotated[Int32, Doc("Number of pods whose labels include all labels of the template.")] = 0
    observedGeneration: Annotated[Int64, Doc("Value of metadata.generation that the controller last acted on.")] = 0
    readyReplicas: Annotated[Int32, Doc("Number of the replica set's pods whose Ready condition is True.")] = 0
    terminatingReplicas: Annotated[Int32, Doc("Number of pods that have a deletionTimestamp and still run.")] | None = (
        None
    )


class ReplicaSet(Object):
    """Keeps a desired number of pods of one template running; usually owned by a Deployment."""

    spec: Annotated[ReplicaSetSpec, Doc("Desired state of the replica set: number of pods, selector and template.")] = (
        msgspec.field(default_factory=ReplicaSetSpec)
    )
    status: Annotated[
        ReplicaSetStatus, Doc("Most recently observed state of the replica set; written by the system.")
    ] = msgspec.field(default_factory=ReplicaSetStatus)


def _default(replica_set: ReplicaSet) -> ReplicaSet:
    if replica_set.spec.replicas is None:
        replica_set.spec.replicas = 1
    default_pod_spec(replica_set.spec.template.spec)
    return replica_set


def _prepare_create(replica_set: ReplicaSet) -> ReplicaSet:
    replica_set.status = ReplicaSetStatus()
    return replica_set


def _rules(replica_set: ReplicaSet) -> Iterator[FieldError]:
    spec = replica_set.spec
    yield from not_negative(spec.replicas, "spec.replicas")
    yield from not_negative(spec.minReadySeconds, "spec.minReadySeconds")
    yield from workload_errors(spec.selector, spec.template)


REPLICA_SET = Kind(
    type=ReplicaSet,
    kind="ReplicaSet",
    group="apps",
    plural="replicasets",
    storage_path="replicasets",
    cached="object",
    status_leaves=("labels", "ownerReferences"),
    singular="replicaset",
    short_names=("rs",),
    categories=("all",),
    status=True,
    scale=True,
    generation=True,
    columns=(
        NAME,
        *REPLICAS,
        AGE,
        *TEMPLATE,
    ),
    default=_default,
    prepare_create=_prepare_create,
    rules=_rules,
    warnings=lambda found: pod_warnings(found.metadata, found.spec.template.spec, "spec.template."),
    fields={"status.replicas": lambda found: str(found.status.replicas)},
)
