"""The StatefulSet kind: keeps a number of pods with stable names and volumes.

Source of the rules and their texts: upstream's validation of apps.
"""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim, default_claim
from fairlead.api.core.pod.spec import PodTemplateSpec
from fairlead.api.core.pod.template import TEMPLATE, default_pod_spec, pod_warnings, template_errors
from fairlead.api.core.pod.volumes.claim_rules import claim_spec_errors, claim_warnings
from fairlead.api.core.pod.volumes.volume import PersistentVolumeClaimVolumeSource, Volume
from fairlead.api.meta.amounts import amount_errors, number_of, whole_errors
from fairlead.api.meta.columns import AGE, NAME
from fairlead.api.meta.rules import label_selector, not_negative
from fairlead.api.meta.types import BY_TYPE, Int32, Int64, IntOrString, LabelSelector, Object, Record, Time
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.decode import to_tree
from fairlead.machinery.kinds.kind import Atomic, Column, Doc, Required, Strategy
from fairlead.machinery.kinds.metadata import check_annotations, check_labels
from fairlead.machinery.values import names
from fairlead.machinery.values.selectors import from_label_selector
from fairlead.machinery.values.status import FieldError, StatusError, forbidden, invalid, not_supported

_ORDERED, _PARALLEL = "OrderedReady", "Parallel"
_ROLLING, _ON_DELETE = "RollingUpdate", "OnDelete"
_MUTABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
_FROZEN = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


class RollingUpdateStatefulSetStrategy(Record):
    """Limits of a rolling update of a StatefulSet."""

    maxUnavailable: (
        Annotated[
            IntOrString,
            Doc("Number or percentage of pods that may be unavailable during an update; removed, as it is alpha."),
        ]
        | None
    ) = None
    partition: (
        Annotated[Int32, Doc("Ordinal from which pods are updated; pods with lower ordinals stay; default 0.")] | None
    ) = None


class StatefulSetUpdateStrategy(Record):
    """Method by which the pods of a StatefulSet are updated to a new template."""

    rollingUpdate: (
        Annotated[
            RollingUpdateStatefulSetStrategy, Doc("Limits of a rolling update; allowed only for that type of update.")
        ]
        | None
    ) = None
    type: Annotated[
        str, Doc("Type of update: RollingUpdate (default), or OnDelete, which waits until pods are deleted.")
    ] = ""


class StatefulSetPersistentVolumeClaimRetentionPolicy(Record):
    """Treatment of the claims that a StatefulSet created for its pods."""

    whenDeleted: Annotated[str, Doc("Treatment of the claims when the set is deleted: Retain (default) or Delete.")] = (
        ""
    )
    whenScaled: Annotated[
        str, Doc("Treatment of the claims of pods that a scale-down removes: Retain (default) or Delete.")
    ] = ""


class StatefulSetOrdinals(Record):
    """Numbers of the pods of a StatefulSet."""

    start: Annotated[Int32, Doc("Ordinal of the first pod; the others follow; default 0.")] = msgspec.field(
        default_factory=int
    )


class StatefulSetSpec(Record):
    """Desired state of a StatefulSet: the templates of pods and claims, and the number of pods."""

    minReadySeconds: Annotated[
        Int32, Doc("Seconds that a new pod must stay ready before it counts as available; default 0.")
    ] = 0
    ordinals: Annotated[StatefulSetOrdinals, Doc("Numbers of the pods; default: from 0.")] | None = None
    persistentVolumeClaimRetentionPolicy: (
        Annotated[
            StatefulSetPersistentVolumeClaimRetentionPolicy,
            Doc("Treatment of the claims made from volumeClaimTemplates; default: they are kept."),
        ]
        | None
    ) = None
    podManagementPolicy: Annotated[
        str, Doc("Order of starts and stops: OrderedReady (default, one after another) or Parallel; immutable.")
    ] = ""
    replicas: Annotated[Int32, Doc("Desired number of pods; default 1, and 0 removes all pods.")] | None = None
    revisionHistoryLimit: (
        Annotated[Int32, Doc("Number of old revisions of the template to keep for rollbacks; default 10.")] | None
    ) = None
    selector: (
        Annotated[
            LabelSelector,
            Atomic(),
            Required(),
            Doc("Label selector of the set's pods; must match the template's labels and is immutable."),
        ]
        | None
    ) = None
    serviceName: Annotated[str, Doc("Name of the headless Service that gives the pods their DNS names; immutable.")] = (
        msgspec.field(default_factory=str)
    )
    template: Annotated[
        PodTemplateSpec, Doc("Template of the set's pods; each pod is named after the set and its ordinal.")
    ] = msgspec.field(default_factory=PodTemplateSpec)
    updateStrategy: Annotated[
        StatefulSetUpdateStrategy, Doc("Method by which pods are updated to a new template; default RollingUpdate.")
    ] = msgspec.field(default_factory=StatefulSetUpdateStrategy)
    volumeClaimTemplates: Annotated[
        list[PersistentVolumeClaim],
        Atomic(),
        Doc("Templates of the claims that each pod gets; mounted by the names of the templates; immutable."),
    ] = []


class StatefulSetCondition(Record):
    """Observation about a StatefulSet and its pods."""

    type: Annotated[str, Doc("Type of the condition, in CamelCase.")] = msgspec.field(default_factory=str)
    lastTransitionTime: Annotated[Time, Doc("Time at which the status of the condition last changed.")] | None = None
    message: Annotated[str, Doc("Human-readable details about the last transition of the condition.")] = ""
    reason: Annotated[str, Doc("Reason of the last transition as one CamelCase word, for programs.")] = ""
    status: Annotated[str, Doc("Status of the condition: True, False or Unknown.")] = msgspec.field(default_factory=str)


class StatefulSetStatus(Record):
    """Most recently observed state of a StatefulSet: its pod counts and revisions."""

    replicas: Annotated[Int32, Doc("Number of the set's pods that exist.")] = msgspec.field(default_factory=int)
    availableReplicas: Annotated[Int32, Doc("Number of pods that have been ready for at least minReadySeconds.")] = (
        msgspec.field(default_factory=int)
    )
    collisionCount: (
        Annotated[Int32, Doc("Number of hash collisions met while naming revisions; only grows.")] | None
    ) = None
    conditions: Annotated[list[StatefulSetCondition], BY_TYPE, Doc("Most recent observations of the set's state.")] = []
    currentReplicas: Annotated[Int32, Doc("Number of pods that were created from the current revision.")] = 0
    currentRevision: Annotated[str, Doc("Name of the revision of the pods that are not updated yet.")] = ""
    observedGeneration: Annotated[Int64, Doc("Value of metadata.generation that the controller last acted on.")] = 0
    readyReplicas: Annotated[Int32, Doc("Number of the set's pods whose Ready condition is True.")] = 0
    updateRevision: Annotated[str, Doc("Name of the revision that pods are updated to.")] = ""
    updatedReplicas: Annotated[Int32, Doc("Number of pods that were created from the new revision.")] = 0


class StatefulSet(Object):
    """Keeps a desired number of pods running, each with a stable name and stable volumes."""

    spec: Annotated[
        StatefulSetSpec, Doc("Desired state of the set: templates of pods and claims, and their number.")
    ] = msgspec.field(default_factory=StatefulSetSpec)
    status: Annotated[StatefulSetStatus, Doc("Most recently observed state of the set; written by the system.")] = (
        msgspec.field(default_factory=StatefulSetStatus)
    )


def _default(found: StatefulSet) -> StatefulSet:
    spec = found.spec
    spec.podManagementPolicy = spec.podManagementPolicy or _ORDERED
    _default_strategy(spec.updateStrategy)
    policy = spec.persistentVolumeClaimRetentionPolicy
    if policy is None:
        policy = spec.persistentVolumeClaimRetentionPolicy = StatefulSetPersistentVolumeClaimRetentionPolicy()
    policy.whenDeleted = policy.whenDeleted or "Retain"
    policy.whenScaled = policy.whenScaled or "Retain"
    if spec.replicas is None:
        spec.replicas = 1
    if spec.revisionHistoryLimit is None:
        spec.revisionHistoryLimit = 10
    default_pod_spec(spec.template.spec)
    for claim in spec.volumeClaimTemplates:
        default_claim(claim)
        claim.kind = claim.kind or PERSISTENT_VOLUME_CLAIM.kind
        claim.apiVersion = claim.apiVersion or PERSISTENT_VOLUME_CLAIM.api_version
    return found


def _default_strategy(strategy: StatefulSetUpdateStrategy) -> None:
    if not strategy.type:
        strategy.type = _ROLLING
        strategy.rollingUpdate = strategy.rollingUpdate or RollingUpdateStatefulSetStrategy()
    rolling = strategy.rollingUpdate
    if strategy.type == _ROLLING and rolling is not None and rolling.partition is None:
        rolling.partition = 0


def _prepare_create(found: StatefulSet) -> StatefulSet:
    found.status = StatefulSetStatus()
    _drop_alpha(found)
    return found


def _prepare_update(old: StatefulSet, new: StatefulSet) -> StatefulSet:
    _drop_alpha(new)
    return new


def _drop_alpha(found: StatefulSet) -> None:
    """Removes a field of a feature that is off by default in Kubernetes 1.36 (MaxUnavailableStatefulSet)."""
    if found.spec.updateStrategy.rollingUpdate is not None:
        found.spec.updateStrategy.rollingUpdate.maxUnavailable = None


def _rules(found: StatefulSet) -> Iterator[FieldError]:
    spec, path = found.spec, "spec"
    if spec.podManagementPolicy not in (_ORDERED, _PARALLEL):
        text = f"must be '{_ORDERED}' or '{_PARALLEL}'"
        yield invalid(f"{path}.podManagementPolicy", spec.podManagementPolicy, text)
    yield from _strategy_errors(spec.updateStrategy, f"{path}.updateStrategy")
    policy = spec.persistentVolumeClaimRetentionPolicy
    for name in ("whenDeleted", "whenScaled") if policy is not None else ():
        if getattr(policy, name) not in ("Retain", "Delete"):
            where = f"{path}.persistentVolumeClaimRetentionPolicy.{name}"
            yield not_supported(where, getattr(policy, name), ("Retain", "Delete"))
    for number, claim in enumerate(spec.volumeClaimTemplates):
        yield from claim_spec_errors(claim.spec, f"{path}.volumeClaimTemplates[{number}].spec")
    yield from not_negative(spec.replicas, f"{path}.replicas")
    yield from not_negative(spec.minReadySeconds, f"{path}.minReadySeconds")
    if spec.ordinals is not None:
        yield from not_negative(spec.ordinals.start, f"{path}.ordinals.start")
    for text in names.dns1123_label(spec.serviceName) if spec.serviceName else ():
        yield invalid(f"{path}.serviceName", spec.serviceName, text)
    yield from _selector_errors(spec, path)
    if spec.template.spec.restartPolicy != "Always":
        where = f"{path}.template.spec.restartPolicy"
        yield not_supported(where, spec.template.spec.restartPolicy, ("Always",))
    if spec.template.spec.activeDeadlineSeconds is not None:
        text = "activeDeadlineSeconds in StatefulSet is not Supported"
        yield forbidden(f"{path}.template.spec.activeDeadlineSeconds", text)
    yield from _status_errors(found.status)


def _strategy_errors(strategy: StatefulSetUpdateStrategy, path: str) -> Iterator[FieldError]:
    rolling = strategy.rollingUpdate
    if strategy.type == _ON_DELETE:
        if rolling is not None:
            text = f"only allowed for updateStrategy '{_ROLLING}'"
            yield invalid(f"{path}.rollingUpdate", to_tree(rolling), text)
    elif strategy.type != _ROLLING:
        yield invalid(path, to_tree(strategy), f"must be '{_ROLLING}' or '{_ON_DELETE}'")
    elif rolling is not None:
        yield from not_negative(rolling.partition, f"{path}.rollingUpdate.partition")
        if rolling.maxUnavailable is not None:
            where = f"{path}.rollingUpdate.maxUnavailable"
            yield from amount_errors(rolling.maxUnavailable, where)
            if number_of(rolling.maxUnavailable) == 0:
                yield invalid(where, rolling.maxUnavailable, "cannot be 0")
            yield from whole_errors(rolling.maxUnavailable, where)


def _selector_errors(spec: StatefulSetSpec, path: str) -> Iterator[FieldError]:
    """Yields errors of the selector, and of the template if the selector can be used."""
    selector, labels = spec.selector, spec.template.metadata.labels
    if selector is not None:  # the marker `Required` reports an absent selector
        yield from label_selector(selector, f"{path}.selector")
        if not selector.matchLabels and not selector.matchExpressions:
            yield invalid(f"{path}.selector", to_tree(selector), "empty selector is invalid for statefulset")
    try:
        usable = from_label_selector(selector)
    except StatusError:
        yield invalid(f"{path}.selector", to_tree(selector), "")
        return
    if not usable.empty and not usable.matches(labels):
        text = "`selector` does not match template `labels`"
        yield invalid(f"{path}.template.metadata.labels", labels or None, text)
    yield from _template_errors(_as_run(spec), f"{path}.template")


def _as_run(spec: StatefulSetSpec) -> PodTemplateSpec:
    """Returns the template with what the controller sets in each pod: volumes of the claims, and no own host name."""
    claims = {claim.metadata.name for claim in spec.volumeClaimTemplates}
    added = [
        Volume(name=name, persistentVolumeClaim=PersistentVolumeClaimVolumeSource(claimName=name))
        for name in sorted(claims)
    ]
    given = [volume for volume in spec.template.spec.volumes if volume.name not in claims]
    pod = msgspec.structs.replace(spec.template.spec, hostname="", subdomain="", volumes=[*added, *given])
    return msgspec.structs.replace(spec.template, spec=pod)


def _template_errors(template: PodTemplateSpec, path: str) -> Iterator[FieldError]:
    yield from template_errors(template, path)
    # Upstream checks these two again, under other paths.
    yield from check_labels(template.metadata.labels, f"{path}.labels")
    yield from check_annotations(template.metadata.annotations, f"{path}.annotations")


def _status_errors(status: StatefulSetStatus) -> Iterator[FieldError]:
    counts = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
    for name in ("replicas", *counts, "observedGeneration", "collisionCount"):
        yield from not_negative(getattr(status, name), f"status.{name}")
    for name in counts:
        if getattr(status, name) > status.replicas:
            yield invalid(f"status.{name}", getattr(status, name), "cannot be greater than status.replicas")
    if status.availableReplicas > status.readyReplicas:
        text = "cannot be greater than status.readyReplicas"
        yield invalid("status.availableReplicas", status.availableReplicas, text)


def _transition(old: StatefulSet, new: StatefulSet) -> Iterator[FieldError]:
    same = msgspec.structs.replace(new.spec, **{name: getattr(old.spec, name) for name in _MUTABLE})
    if same != old.spec:
        yield forbidden("spec", _FROZEN)
    if (new.status.collisionCount or 0) < (old.status.collisionCount or 0):
        yield invalid("status.collisionCount", new.status.collisionCount or 0, "cannot be decremented")


def _warnings(found: StatefulSet) -> Iterator[str]:
    yield from pod_warnings(found.metadata, found.spec.template.spec, "spec.template.")
    for number, claim in enumerate(found.spec.volumeClaimTemplates):
        yield from claim_warnings(claim.spec, f"spec.volumeClaimTemplates[{number}]")
    if (found.spec.revisionHistoryLimit or 0) < 0:
        yield (
            "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
        )


def _ready(found: StatefulSet, _: Instant) -> str:
    return f"{found.status.readyReplicas}/{found.spec.replicas or 0}"


STRATEGY: Strategy[StatefulSet] = Strategy(
    type=StatefulSet,
    name_rule="label",
    columns=(
        NAME,
        Column("Ready", _ready, doc="Number of ready pods and desired number of pods."),
        AGE,
        *TEMPLATE[:2],
    ),
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    rules=_rules,
    transition=_transition,
    warnings=_warnings,
)
