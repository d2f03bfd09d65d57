"""The ReplicationController kind, the predecessor of ReplicaSet with a plain map as selector."""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.spec import PodTemplateSpec
from fairlead.api.core.pod.template import (
    container_images,
    container_names,
    default_pod_spec,
    pod_warnings,
    template_errors,
)
from fairlead.api.meta.columns import AGE, NAME, REPLICAS, render_labels
from fairlead.api.meta.rules import not_negative
from fairlead.api.meta.types import BY_TYPE, Int32, Int64, Object, Record, Time
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Atomic, Column, Doc, Kind
from fairlead.machinery.values.status import FieldError, forbidden, invalid, not_supported, required


class ReplicationControllerSpec(Record):
    """Desired state of a ReplicationController: the pod template, the selector and the number of pods."""

    minReadySeconds: Annotated[
        Int32, Doc("Seconds that a new pod must stay ready before it counts as available; default 0.")
    ] = 0
    replicas: Annotated[Int32, Doc("Desired number of pods; default 1, and 0 removes all pods.")] | None = None
    selector: Annotated[
        dict[str, str], Atomic(), Doc("Labels that all pods of the controller carry; default: the template's labels.")
    ] = {}
    template: Annotated[PodTemplateSpec, Doc("Template that new pods are created from.")] | None = None


class ReplicationControllerCondition(Record):
    """Observation about a ReplicationController, such as a failure to create pods."""

    type: Annotated[str, Doc("Type of the condition: ReplicaFailure (a pod could not be created or deleted).")] = (
        msgspec.field(default_factory=str)
    )
    lastTransitionTime: Annotated[Time, Doc("Time at which the status of the condition last changed.")] | None = None
    message: Annotated[str, Doc("Human-readable details about the last transition of the condition.")] = ""
    reason: Annotated[str, Doc("Reason of the last transition as one CamelCase word, for programs.")] = ""
    status: Annotated[str, Doc("Status of the condition: True, False or Unknown.")] = msgspec.field(default_factory=str)


class ReplicationControllerStatus(Record):
    """Most recently observed state of a ReplicationController: its pod counts and conditions."""

    replicas: Annotated[Int32, Doc("Number of the controller's pods that exist and do not terminate.")] = msgspec.field(
        default_factory=int
    )
    availableReplicas: Annotated[Int32, Doc("Number of pods that have been ready for at least minReadySeconds.")] = 0
    conditions: Annotated[
        list[ReplicationControllerCondition], BY_TYPE, Doc("Most recent observations of the controller's state.")
    ] = []
    fullyLabeledReplicas: Annotated[Int32, Doc("Number of pods whose labels include all labels of the template.")] = 0
    observedGeneration: Annotated[Int64, Doc("Value of metadata.generation that the controller last acted on.")] = 0
    readyReplicas: Annotated[Int32, Doc("Number of the controller's pods whose Ready condition is True.")] = 0


class ReplicationController(Object):
    """Keeps a desired number of pods of one template running; ReplicaSets offer richer selectors for the same task."""

    spec: Annotated[
        ReplicationControllerSpec, Doc("Desired state of the controller: number of pods, selector and template.")
    ] = msgspec.field(default_factory=ReplicationControllerSpec)
    status: Annotated[
        ReplicationControllerStatus, Doc("Most recently observed state of the controller; written by the system.")
    ] = msgspec.field(default_factory=ReplicationControllerStatus)


def _default(rc: ReplicationController) -> ReplicationController:
    spec = rc.spec
    if spec.template is not None:
        labels = spec.template.metadata.labels
        spec.selector = spec.selector or dict(labels)
        rc.metadata.labels = rc.metadata.labels or dict(labels)
        default_pod_spec(spec.template.spec)
    if spec.replicas is None:
        spec.replicas = 1
    return rc


def _prepare_create(rc: ReplicationController) -> ReplicationController:
    rc.status = ReplicationControllerStatus()
    return rc


def _rules(rc: ReplicationController) -> Iterator[FieldError]:
    spec = rc.spec
    yield from not_negative(spec.minReadySeconds, "spec.minReadySeconds")
    if not spec.selector:
        yield required("spec.selector")
    yield from not_negative(spec.replicas, "spec.replicas")
    if spec.template is None:
        yield required("spec.template")
    else:
        yield from _template_errors(spec.selector, spec.template)
    yield from _status_errors(rc.status)


def _template_errors(selector: dict[str, str], template: PodTemplateSpec) -> Iterator[FieldError]:
    path, labels = "spec.template", template.metadata.labels
    if not selector.items() <= labels.items():
        yield invalid(f"{path}.metadata.labels", labels, "`selector` does not match template `labels`")
    yield from template_errors(template, path)
    if template.spec.restartPolicy in ("OnFailure", "Never"):
        yield not_supported(f"{path}.spec.restartPolicy", template.spec.restartPolicy, ("Always",))
    if template.spec.activeDeadlineSeconds is not None:
        text = "activeDeadlineSeconds in ReplicationController is not Supported"
        yield forbidden(f"{path}.spec.activeDeadlineSeconds", text)


def _status_errors(status: ReplicationControllerStatus) -> Iterator[FieldError]:
    counts = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    for name in (*counts, "observedGeneration"):
        yield from not_negative(getattr(status, name), f"status.{name}")
    for name in counts[1:]:
        if getattr(status, name) > status.replicas:
            yield invalid(f"status.{name}", getattr(status, name), "cannot be greater than status.replicas")
    if status.availableReplicas > status.readyReplicas:
        yield invalid("status.availableReplicas", status.availableReplicas, "cannot be greater than readyReplicas")


def _containers(rc: ReplicationController) -> list[Container]:
    return rc.spec.template.spec.containers if rc.spec.template is not None else []


def _warnings(rc: ReplicationController) -> Iterator[str]:
    if rc.spec.template is not None:
        yield from pod_warnings(rc.metadata, rc.spec.template.spec, "spec.template.")


def _selector(rc: ReplicationController, _: Instant) -> str:
    return render_labels(rc.spec.selector)


REPLICATION_CONTROLLER = Kind(
    type=ReplicationController,
    kind="ReplicationController",
    plural="replicationcontrollers",
    storage_path="controllers",
    cached="object",
    singular="replicationcontroller",
    short_names=("rc",),
    categories=("all",),
    status=True,
    scale=True,
    generation=True,
    columns=(
        NAME,
        *REPLICAS,
        AGE,
        Column(
            "Containers",
            lambda found, _: container_names(_containers(found)),
            wide=True,
            doc="Names of the containers in the pod template.",
        ),
        Column(
            "Images",
            lambda found, _: container_images(_containers(found)),
            wide=True,
            doc="Images of the containers in the pod template.",
        ),
        Column("Selector", _selector, wide=True, doc="Labels that all pods of the controller carry."),
    ),
    default=_default,
    prepare_create=_prepare_create,
    rules=_rules,
    warnings=_warnings,
    orphans_dependents=True,
    fields={"status.replicas": lambda found: str(found.status.replicas)},
)
