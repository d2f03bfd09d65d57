"""A replica set: pods of one template kept at a number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.apps.workload_rules import workload_errors
from fairlead.api.core.pod.spec import PodTemplateSpec
from fairlead.api.core.pod.template import TEMPLATE, default_pod_spec, pod_warnings
from fairlead.api.meta.columns import AGE, NAME, REPLICAS
from fairlead.api.meta.rules import not_negative
from fairlead.api.meta.types import BY_TYPE, Int32, Int64, LabelSelector, Object, Record, Time
from fairlead.machinery.kind import Atomic, Doc, Immutable, Kind, Required
from fairlead.machinery.status import FieldError


class ReplicaSetSpec(Record):
    selector: (
        Annotated[LabelSelector, Atomic(), Required(), Immutable(), Doc("Which pods are its own; never changes.")]
        | None
    ) = None
    minReadySeconds: Annotated[Int32, Doc("How long a pod must be ready to count as available.")] = 0
    replicas: Annotated[Int32, Doc("How many pods are wanted; 1 unless given.")] | None = None
    template: Annotated[PodTemplateSpec, Doc("What its pods are.")] = msgspec.field(default_factory=PodTemplateSpec)


class ReplicaSetCondition(Record):
    type: Annotated[str, Doc("What it is about: ReplicaFailure.")] = ""
    lastTransitionTime: Annotated[Time, Doc("When it last changed.")] | None = None
    message: Annotated[str, Doc("Why, in a sentence.")] = ""
    reason: Annotated[str, Doc("Why, in a word.")] = ""
    status: Annotated[str, Doc("True, False or Unknown.")] = ""


class ReplicaSetStatus(Record):
    replicas: Annotated[Int32, Doc("How many pods there are.")] = msgspec.field(default_factory=int)
    availableReplicas: Annotated[Int32, Doc("How many have been ready for long enough.")] = 0
    conditions: Annotated[list[ReplicaSetCondition], BY_TYPE, Doc("What is worth knowing about it.")] = []
    fullyLabeledReplicas: Annotated[Int32, Doc("How many have all the template's labels.")] = 0
    observedGeneration: Annotated[Int64, Doc("Which generation this is about.")] = 0
    readyReplicas: Annotated[Int32, Doc("How many are ready.")] = 0
    terminatingReplicas: Annotated[Int32, Doc("How many are on their way out.")] | None = None


class ReplicaSet(Object):
    """Pods of one template kept at a number; usually a Deployment makes it."""

    spec: Annotated[ReplicaSetSpec, Doc("What is wanted.")] = msgspec.field(default_factory=ReplicaSetSpec)
    status: Annotated[ReplicaSetStatus, Doc("What there is.")] = msgspec.field(default_factory=ReplicaSetStatus)


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
