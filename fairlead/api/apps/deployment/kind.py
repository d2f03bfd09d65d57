"""The Deployment kind: keeps a number of pods of one version and changes them gradually."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.apps.workload_rules import workload_errors
from fairlead.api.core.pod.spec import PodTemplateSpec
from fairlead.api.core.pod.template import TEMPLATE, default_pod_spec, pod_warnings
from fairlead.api.meta.amounts import amount_errors, number_of, whole_errors
from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.rules import not_negative
from fairlead.api.meta.types import BY_TYPE, Int32, Int64, IntOrString, LabelSelector, Object, Record, Time
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Atomic, Column, Doc, Immutable, Kind, OneOf, Required, RetainKeys
from fairlead.machinery.values.status import FieldError, forbidden, invalid


class RollingUpdateDeployment(Record):
    """Limits on the number of missing and surplus pods during a rolling update."""

    maxSurge: (
        Annotated[
            IntOrString,
            Doc(
                "Number or percentage of pods that may exist above `replicas` during an update; default 25%, "
                "rounded up."
            ),
        ]
        | None
    ) = None
    maxUnavailable: (
        Annotated[
            IntOrString,
            Doc("Number or percentage of pods that may be unavailable during an update; default 25%, rounded down."),
        ]
        | None
    ) = None


class DeploymentStrategy(Record):
    """Method by which a Deployment replaces old pods with new ones."""

    type: Annotated[
        str,
        OneOf("Recreate", "RollingUpdate"),
        Doc("Type of update: RollingUpdate (default) or Recreate, which deletes all old pods before new ones start."),
    ] = ""
    rollingUpdate: (
        Annotated[RollingUpdateDeployment, Doc("Limits of a rolling update; allowed only if `type` is RollingUpdate.")]
        | None
    ) = None


class DeploymentSpec(Record):
    """Desired state of a Deployment: the pod template, the number of pods and the update strategy."""

    selector: (
        Annotated[
            LabelSelector,
            Atomic(),
            Required(),
            Immutable(),
            Doc("Label selector of the deployment's pods; must match the template's labels and is immutable."),
        ]
        | None
    ) = None
    template: Annotated[
        PodTemplateSpec, Doc("Template of the deployment's pods; a change of the template starts a roll-out.")
    ] = msgspec.field(default_factory=PodTemplateSpec)
    minReadySeconds: Annotated[
        Int32, Doc("Seconds that a new pod must stay ready before it counts as available; default 0.")
    ] = 0
    paused: Annotated[bool, Doc("Set to true to hold back roll-outs of template changes; default false.")] = False
    progressDeadlineSeconds: (
        Annotated[Int32, Doc("Seconds without progress after which a roll-out is reported as failed; default 600.")]
        | None
    ) = None
    replicas: Annotated[Int32, Doc("Desired number of pods; default 1, and 0 removes all pods.")] | None = None
    revisionHistoryLimit: (
        Annotated[Int32, Doc("Number of old replica sets to keep for rollbacks; default 10.")] | None
    ) = None
    strategy: Annotated[
        DeploymentStrategy, RetainKeys(), Doc("Strategy by which new pods replace old pods; default RollingUpdate.")
    ] = msgspec.field(default_factory=DeploymentStrategy)


class DeploymentCondition(Record):
    """Observation about a Deployment, such as whether it is available or its update makes progress."""

    type: Annotated[str, Doc("Type of the condition: Available, Progressing or ReplicaFailure.")] = ""
    lastTransitionTime: Annotated[Time, Doc("Time at which the status of the condition last changed.")] | None = None
    lastUpdateTime: (
        Annotated[Time, Doc("Time at which the condition was last updated, with or without a change of status.")] | None
    ) = None
    message: Annotated[str, Doc("Human-readable details about the last transition of the condition.")] = ""
    reason: Annotated[str, Doc("Reason of the last transition as one CamelCase word, for programs.")] = ""
    status: Annotated[str, Doc("Status of the condition: True, False or Unknown.")] = ""


class DeploymentStatus(Record):
    """Most recently observed state of a Deployment: its pod counts and conditions."""

    availableReplicas: Annotated[Int32, Doc("Number of pods that have been ready for at least minReadySeconds.")] = 0
    collisionCount: (
        Annotated[
            Int32, Doc("Number of hash collisions met while naming new replica sets; part of the next name's hash.")
        ]
        | None
    ) = None
    conditions: Annotated[
        list[DeploymentCondition],
        BY_TYPE,
        Doc("Most recent observations of the deployment's progress and availability."),
    ] = []
    observedGeneration: Annotated[Int64, Doc("Value of metadata.generation that the controller last acted on.")] = 0
    readyReplicas: Annotated[Int32, Doc("Number of the deployment's pods whose Ready condition is True.")] = 0
    replicas: Annotated[Int32, Doc("Number of the deployment's pods that exist and do not terminate.")] = 0
    terminatingReplicas: (
        Annotated[Int32, Doc("Number of the deployment's pods that have a deletionTimestamp and still run.")] | None
    ) = None
    unavailableReplicas: Annotated[
        Int32, Doc("Number of pods that are still missing until `replicas` pods are available.")
    ] = 0
    updatedReplicas: Annotated[Int32, Doc("Number of pods that were created from the current template.")] = 0


class Deployment(Object):
    """Keeps a desired number of identical pods running and updates them gradually to a new template."""

    spec: Annotated[
        DeploymentSpec, Doc("Desired state of the deployment: number of pods, template and update strategy.")
    ] = msgspec.field(default_factory=DeploymentSpec)
    status: Annotated[
        DeploymentStatus, Doc("Most recently observed state of the deployment; written by the system.")
    ] = msgspec.field(default_factory=DeploymentStatus)


def _default(deployment: Deployment) -> Deployment:
    spec = deployment.spec
    if spec.replicas is None:
        spec.replicas = 1
    if spec.revisionHistoryLimit is None:
        spec.revisionHistoryLimit = 10
    if spec.progressDeadlineSeconds is None:
        spec.progressDeadlineSeconds = 600
    strategy = spec.strategy
    strategy.type = strategy.type or "RollingUpdate"
    if strategy.type == "RollingUpdate":
        rolling = strategy.rollingUpdate = strategy.rollingUpdate or RollingUpdateDeployment()
        rolling.maxUnavailable = "25%" if rolling.maxUnavailable is None else rolling.maxUnavailable
        rolling.maxSurge = "25%" if rolling.maxSurge is None else rolling.maxSurge
    default_pod_spec(spec.template.spec)
    return deployment


def _prepare_create(deployment: Deployment) -> Deployment:
    deployment.status = DeploymentStatus()
    return deployment


def _rules(deployment: Deployment) -> Iterator[FieldError]:
    spec = deployment.spec
    yield from not_negative(spec.replicas, "spec.replicas")
    yield from workload_errors(spec.selector, spec.template)
    yield from _strategy_errors(spec.strategy)
    yield from not_negative(spec.minReadySeconds, "spec.minReadySeconds")
    yield from not_negative(spec.revisionHistoryLimit, "spec.revisionHistoryLimit")
    deadline, path = spec.progressDeadlineSeconds, "spec.progressDeadlineSeconds"
    yield from not_negative(deadline, path)
    if deadline is not None and deadline <= spec.minReadySeconds:
        yield invalid(path, deadline, "must be greater than minReadySeconds")


def _strategy_errors(strategy: DeploymentStrategy) -> Iterator[FieldError]:
    rolling, path = strategy.rollingUpdate, "spec.strategy.rollingUpdate"
    if rolling is None:
        return
    if strategy.type == "Recreate":
        yield forbidden(path, "may not be specified when strategy `type` is 'Recreate'")
        return
    unavailable, surge = rolling.maxUnavailable or 0, rolling.maxSurge or 0
    yield from amount_errors(unavailable, f"{path}.maxUnavailable")
    yield from amount_errors(surge, f"{path}.maxSurge")
    if number_of(unavailable) == 0 and number_of(surge) == 0:
        yield invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
    yield from whole_errors(unavailable, f"{path}.maxUnavailable")


def _ready(deployment: Deployment, _: Instant) -> str:
    return f"{deployment.status.readyReplicas}/{deployment.spec.replicas or 0}"


def _changes_generation(old: Deployment, new: Deployment) -> bool:
    """Returns true if the spec or the annotations changed; annotations count because they reach the ReplicaSets."""
    return old.spec != new.spec or old.metadata.annotations != new.metadata.annotations


DEPLOYMENT = Kind(
    type=Deployment,
    kind="Deployment",
    group="apps",
    plural="deployments",
    storage_path="deployments",
    cached="object",
    status_leaves=("labels", "ownerReferences"),
    singular="deployment",
    short_names=("deploy",),
    categories=("all",),
    status=True,
    scale=True,
    generation=True,
    changes_generation=_changes_generation,
    columns=(
        NAME,
        Column("Ready", _ready, doc="Number of ready pods and desired number of pods."),
        Column(
            "Up-to-date",
            lambda found, _: found.status.updatedReplicas,
            doc="Number of pods created from the current template.",
        ),
        Column(
            "Available",
            lambda found, _: found.status.availableReplicas,
            doc="Number of pods that have been ready for at least minReadySeconds.",
        ),
        AGE,
        *TEMPLATE,
    ),
    default=_default,
    prepare_create=_prepare_create,
    rules=_rules,
    warnings=lambda found: pod_warnings(found.metadata, found.spec.template.spec, "spec.template."),
)
