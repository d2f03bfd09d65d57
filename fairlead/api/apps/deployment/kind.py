"""A deployment: pods kept at a number and a version, changed gradually."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.apps.workload_rules import workload_errors
from fairlead.api.core.pod.spec import PodTemplateSpec
from fairlead.api.core.pod.template import TEMPLATE, default_pod_spec, pod_warnings
from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.rules import not_negative
from fairlead.api.meta.types import BY_TYPE, Int32, Int64, IntOrString, LabelSelector, Object, Record, Time
from fairlead.base.instant import Instant
from fairlead.machinery import names
from fairlead.machinery.kind import Atomic, Column, Doc, Immutable, Kind, OneOf, Required, RetainKeys
from fairlead.machinery.status import FieldError, forbidden, invalid


class RollingUpdateDeployment(Record):
    maxSurge: (
        Annotated[IntOrString, Doc("How many pods there may be above the number wanted, or what share.")] | None
    ) = None
    maxUnavailable: Annotated[IntOrString, Doc("How many pods may be missing, or what share.")] | None = None


class DeploymentStrategy(Record):
    type: Annotated[
        str, OneOf("Recreate", "RollingUpdate"), Doc("RollingUpdate, or Recreate: all old ones go first.")
    ] = ""
    rollingUpdate: Annotated[RollingUpdateDeployment, Doc("How fast.")] | None = None


class DeploymentSpec(Record):
    selector: (
        Annotated[
            LabelSelector,
            Atomic(),
            Required(),
            Immutable(),
            Doc("Which pods are its own; must find the template's labels and never changes."),
        ]
        | None
    ) = None
    template: Annotated[PodTemplateSpec, Doc("What its pods are.")] = msgspec.field(default_factory=PodTemplateSpec)
    minReadySeconds: Annotated[Int32, Doc("How long a pod must be ready to count as available.")] = 0
    paused: Annotated[bool, Doc("Whether changes of the template wait.")] = False
    progressDeadlineSeconds: Annotated[Int32, Doc("When a roll-out without progress counts as failed.")] | None = None
    replicas: Annotated[Int32, Doc("How many pods are wanted; 1 unless given.")] | None = None
    revisionHistoryLimit: Annotated[Int32, Doc("How many old replica sets are kept to go back to.")] | None = None
    strategy: Annotated[DeploymentStrategy, RetainKeys(), Doc("How new pods replace old ones.")] = msgspec.field(
        default_factory=DeploymentStrategy
    )


class DeploymentCondition(Record):
    type: Annotated[str, Doc("Available, Progressing or ReplicaFailure.")] = ""
    lastTransitionTime: Annotated[Time, Doc("When it last changed.")] | None = None
    lastUpdateTime: Annotated[Time, Doc("When it was last looked at.")] | None = None
    message: Annotated[str, Doc("Why, in a sentence.")] = ""
    reason: Annotated[str, Doc("Why, in a word.")] = ""
    status: Annotated[str, Doc("True, False or Unknown.")] = ""


class DeploymentStatus(Record):
    availableReplicas: Annotated[Int32, Doc("How many have been ready for long enough.")] = 0
    collisionCount: Annotated[Int32, Doc("How often the name of a new replica set was taken.")] | None = None
    conditions: Annotated[list[DeploymentCondition], BY_TYPE, Doc("What is worth knowing about it.")] = []
    observedGeneration: Annotated[Int64, Doc("Which generation this is about.")] = 0
    readyReplicas: Annotated[Int32, Doc("How many pods are ready.")] = 0
    replicas: Annotated[Int32, Doc("How many pods there are.")] = 0
    terminatingReplicas: Annotated[Int32, Doc("How many pods are on their way out.")] | None = None
    unavailableReplicas: Annotated[Int32, Doc("How many are still missing.")] = 0
    updatedReplicas: Annotated[Int32, Doc("How many are of the current template.")] = 0


class Deployment(Object):
    """Pods kept at a number and a version, and changed gradually."""

    spec: Annotated[DeploymentSpec, Doc("What is wanted.")] = msgspec.field(default_factory=DeploymentSpec)
    status: Annotated[DeploymentStatus, Doc("What there is.")] = msgspec.field(default_factory=DeploymentStatus)


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
    yield from _amount_errors(unavailable, f"{path}.maxUnavailable")
    yield from _amount_errors(surge, f"{path}.maxSurge")
    if _number(unavailable) == 0 and _number(surge) == 0:
        yield invalid(f"{path}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
    if isinstance(unavailable, str) and (_number(unavailable) or 0) > 100:
        yield invalid(f"{path}.maxUnavailable", unavailable, "must not be greater than 100%")


def _amount_errors(amount: int | str, path: str) -> Iterator[FieldError]:
    if isinstance(amount, int):
        yield from not_negative(amount, path)
    else:
        for text in names.percent(amount):
            yield invalid(path, amount, text)


def _number(amount: int | str) -> int | None:
    if isinstance(amount, int):
        return amount
    return None if names.percent(amount) else int(amount[:-1])


def _ready(deployment: Deployment, _: Instant) -> str:
    return f"{deployment.status.readyReplicas}/{deployment.spec.replicas or 0}"


def _changes_generation(old: Deployment, new: Deployment) -> bool:
    """A Deployment's annotations reach its ReplicaSets, so upstream counts their changes too."""
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
        Column("Ready", _ready, doc="Pods that are ready, of those wanted."),
        Column("Up-to-date", lambda found, _: found.status.updatedReplicas, doc="Pods of the current template."),
        Column("Available", lambda found, _: found.status.availableReplicas, doc="Pods ready for long enough."),
        AGE,
        *TEMPLATE,
    ),
    default=_default,
    prepare_create=_prepare_create,
    rules=_rules,
    warnings=lambda found: pod_warnings(found.metadata, found.spec.template.spec, "spec.template."),
)
