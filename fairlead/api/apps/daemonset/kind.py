"""The DaemonSet kind: keeps a pod on every node that matches.

Source of the rules and their texts: upstream's validation of apps.
"""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.core.pod.spec import PodTemplateSpec
from fairlead.api.core.pod.template import TEMPLATE, default_pod_spec, pod_warnings, template_errors
from fairlead.api.meta.amounts import amount_errors, number_of, whole_errors
from fairlead.api.meta.columns import AGE, NAME, or_none, render_labels
from fairlead.api.meta.rules import label_selector, not_negative
from fairlead.api.meta.types import BY_TYPE, Int32, Int64, IntOrString, LabelSelector, Object, ObjectMeta, Record, Time
from fairlead.machinery.kinds.decode import to_tree
from fairlead.machinery.kinds.kind import Atomic, Column, Doc, Immutable, Required, Strategy
from fairlead.machinery.values.selectors import from_label_selector
from fairlead.machinery.values.status import FieldError, StatusError, forbidden, invalid, not_supported, required

_ROLLING, _ON_DELETE = "RollingUpdate", "OnDelete"
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"
"""Annotation with the number of the template's changes, which old clients read."""


class RollingUpdateDaemonSet(Record):
    """Limits on the number of missing and surplus pods during a rolling update."""

    maxSurge: (
        Annotated[
            IntOrString,
            Doc("Number or percentage of nodes that may run an old and a new pod during an update; default 0."),
        ]
        | None
    ) = None
    maxUnavailable: (
        Annotated[
            IntOrString,
            Doc("Number or percentage of pods that may be unavailable during an update; default 1."),
        ]
        | None
    ) = None


class DaemonSetUpdateStrategy(Record):
    """Method by which the pods of a DaemonSet are updated to a new template."""

    rollingUpdate: (
        Annotated[RollingUpdateDaemonSet, Doc("Limits of a rolling update, if that is the type of update.")] | None
    ) = None
    type: Annotated[
        str, Doc("Type of update: RollingUpdate (default), or OnDelete, which waits until pods are deleted.")
    ] = ""


class DaemonSetSpec(Record):
    """Desired state of a DaemonSet: the pod template and the update strategy."""

    minReadySeconds: Annotated[
        Int32, Doc("Seconds that a new pod must stay ready before it counts as available; default 0.")
    ] = 0
    revisionHistoryLimit: (
        Annotated[Int32, Doc("Number of old revisions of the template to keep for rollbacks; default 10.")] | None
    ) = None
    selector: (
        Annotated[
            LabelSelector,
            Atomic(),
            Required(),
            Immutable(),
            Doc("Label selector of the set's pods; must match the template's labels and is immutable."),
        ]
        | None
    ) = None
    template: Annotated[
        PodTemplateSpec, Doc("Template of the set's pods; its node selector and affinity choose the nodes.")
    ] = msgspec.field(default_factory=PodTemplateSpec)
    updateStrategy: Annotated[
        DaemonSetUpdateStrategy, Doc("Method by which pods are updated to a new template; default RollingUpdate.")
    ] = msgspec.field(default_factory=DaemonSetUpdateStrategy)


class DaemonSetCondition(Record):
    """Observation about a DaemonSet and its pods."""

    type: Annotated[str, Doc("Type of the condition, in CamelCase.")] = msgspec.field(default_factory=str)
    lastTransitionTime: Annotated[Time, Doc("Time at which the status of the condition last changed.")] | None = None
    message: Annotated[str, Doc("Human-readable details about the last transition of the condition.")] = ""
    reason: Annotated[str, Doc("Reason of the last transition as one CamelCase word, for programs.")] = ""
    status: Annotated[str, Doc("Status of the condition: True, False or Unknown.")] = msgspec.field(default_factory=str)


class DaemonSetStatus(Record):
    """Most recently observed state of a DaemonSet: its counts of nodes and pods."""

    currentNumberScheduled: Annotated[Int32, Doc("Number of nodes that run at least one pod and should do so.")] = (
        msgspec.field(default_factory=int)
    )
    desiredNumberScheduled: Annotated[Int32, Doc("Number of nodes that should run a pod of the set.")] = msgspec.field(
        default_factory=int
    )
    numberMisscheduled: Annotated[Int32, Doc("Number of nodes that run a pod of the set and should not.")] = (
        msgspec.field(default_factory=int)
    )
    numberReady: Annotated[Int32, Doc("Number of nodes that run a pod whose Ready condition is True.")] = msgspec.field(
        default_factory=int
    )
    collisionCount: (
        Annotated[Int32, Doc("Number of hash collisions met while naming revisions; only grows.")] | None
    ) = None
    conditions: Annotated[list[DaemonSetCondition], BY_TYPE, Doc("Most recent observations of the set's state.")] = []
    numberAvailable: Annotated[Int32, Doc("Number of nodes with a pod ready for at least minReadySeconds.")] = 0
    numberUnavailable: Annotated[Int32, Doc("Number of nodes that should run an available pod and do not.")] = 0
    observedGeneration: Annotated[Int64, Doc("Value of metadata.generation that the controller last acted on.")] = 0
    updatedNumberScheduled: Annotated[Int32, Doc("Number of nodes that run a pod of the current template.")] = 0


class DaemonSet(Object):
    """Keeps one pod running on every node that matches its template."""

    spec: Annotated[DaemonSetSpec, Doc("Desired state of the set: the pod template and the update strategy.")] = (
        msgspec.field(default_factory=DaemonSetSpec)
    )
    status: Annotated[DaemonSetStatus, Doc("Most recently observed state of the set; written by the system.")] = (
        msgspec.field(default_factory=DaemonSetStatus)
    )


def _default(found: DaemonSet) -> DaemonSet:
    spec, strategy = found.spec, found.spec.updateStrategy
    strategy.type = strategy.type or _ROLLING
    if strategy.type == _ROLLING:
        rolling = strategy.rollingUpdate = strategy.rollingUpdate or RollingUpdateDaemonSet()
        rolling.maxUnavailable = 1 if rolling.maxUnavailable is None else rolling.maxUnavailable
        rolling.maxSurge = 0 if rolling.maxSurge is None else rolling.maxSurge
    if spec.revisionHistoryLimit is None:
        spec.revisionHistoryLimit = 10
    default_pod_spec(spec.template.spec)
    return found


def _prepare_create(found: DaemonSet) -> DaemonSet:
    found.status = DaemonSetStatus()
    found.metadata.annotations[TEMPLATE_GENERATION] = str(max(_template_generation(found.metadata), 1))
    return found


def _prepare_update(old: DaemonSet, new: DaemonSet) -> DaemonSet:
    generation = _template_generation(old.metadata) + (old.spec.template != new.spec.template)
    new.metadata.annotations[TEMPLATE_GENERATION] = str(generation)
    return new


def _template_generation(meta: ObjectMeta) -> int:
    text = meta.annotations.get(TEMPLATE_GENERATION, "")
    return int(text) if text.isascii() and text.isdigit() else 0


def _rules(found: DaemonSet) -> Iterator[FieldError]:
    spec = found.spec
    yield from _selector_errors(spec)
    yield from template_errors(spec.template, "spec.template")
    if spec.template.spec.restartPolicy != "Always":
        yield not_supported("spec.template.spec.restartPolicy", spec.template.spec.restartPolicy, ("Always",))
    if spec.template.spec.activeDeadlineSeconds is not None:
        text = "activeDeadlineSeconds in DaemonSet is not Supported"
        yield forbidden("spec.template.spec.activeDeadlineSeconds", text)
    yield from not_negative(spec.minReadySeconds, "spec.minReadySeconds")
    yield from _strategy_errors(spec.updateStrategy, "spec.updateStrategy")
    yield from not_negative(spec.revisionHistoryLimit, "spec.revisionHistoryLimit")
    for name in DaemonSetStatus.__struct_fields__:
        if name != "conditions":
            yield from not_negative(getattr(found.status, name), f"status.{name}")


def _selector_errors(spec: DaemonSetSpec) -> Iterator[FieldError]:
    selector, labels = spec.selector, spec.template.metadata.labels
    if selector is not None:
        yield from label_selector(selector, "spec.selector")
    try:
        finds = selector is not None and from_label_selector(selector).matches(labels)
    except StatusError:
        finds = True
    if not finds:
        text = "`selector` does not match template `labels`"
        yield invalid("spec.template.metadata.labels", labels or None, text)
    if selector is not None and not selector.matchLabels and not selector.matchExpressions:
        yield invalid("spec.selector", to_tree(selector), "empty selector is invalid for daemonset")


def _strategy_errors(strategy: DaemonSetUpdateStrategy, path: str) -> Iterator[FieldError]:
    if strategy.type not in (_ROLLING, _ON_DELETE):
        yield not_supported(path, to_tree(strategy), (_ROLLING, _ON_DELETE))
    rolling = strategy.rollingUpdate
    if strategy.type != _ROLLING or rolling is None:
        return
    unavailable, surge = rolling.maxUnavailable or 0, rolling.maxSurge or 0
    yield from amount_errors(unavailable, f"{path}.rollingUpdate.maxUnavailable")
    yield from amount_errors(surge, f"{path}.rollingUpdate.maxSurge")
    yield from whole_errors(unavailable, f"{path}.rollingUpdate.maxUnavailable")
    yield from whole_errors(surge, f"{path}.rollingUpdate.maxSurge")
    if number_of(unavailable) and number_of(surge):
        text = "may not be set when maxUnavailable is non-zero"
        yield invalid(f"{path}.rollingUpdate.maxSurge", surge, text)
    if not number_of(unavailable) and not number_of(surge):
        yield required(f"{path}.rollingUpdate.maxUnavailable", "cannot be 0 when maxSurge is 0")


def _transition(old: DaemonSet, new: DaemonSet) -> Iterator[FieldError]:
    if (new.status.collisionCount or 0) < (old.status.collisionCount or 0):
        yield invalid("status.collisionCount", new.status.collisionCount or 0, "cannot be decremented")


def _number(title: str, field: str, doc: str) -> Column[DaemonSet]:
    return Column(title, lambda found, _: int(getattr(found.status, field)), type="integer", doc=doc)


STRATEGY: Strategy[DaemonSet] = Strategy(
    type=DaemonSet,
    status_leaves=("labels", "ownerReferences"),
    columns=(
        NAME,
        _number("Desired", "desiredNumberScheduled", "Number of nodes that should run a pod."),
        _number("Current", "currentNumberScheduled", "Number of nodes that run a pod and should do so."),
        _number("Ready", "numberReady", "Number of nodes that run a ready pod."),
        _number("Up-to-date", "updatedNumberScheduled", "Number of nodes that run a pod of the template."),
        _number("Available", "numberAvailable", "Number of nodes that run an available pod."),
        Column(
            "Node Selector",
            lambda found, _: or_none(render_labels(found.spec.template.spec.nodeSelector)),
            doc="Labels of the nodes that the pods are limited to.",
        ),
        AGE,
        *TEMPLATE,
    ),
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    rules=_rules,
    transition=_transition,
    warnings=lambda found: pod_warnings(found.metadata, found.spec.template.spec, "spec.template."),
)
