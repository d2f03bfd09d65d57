"""The PersistentVolumeClaim kind: a request for storage by the workloads of a namespace.

Source of the rules and their texts: upstream's validation of PersistentVolumeClaim.
"""

from collections.abc import Iterator
from typing import Annotated

import msgspec

from fairlead.api.core.accessmodes import CLASS_ANNOTATION, OLD_CLASS, render_access_modes
from fairlead.api.core.amounts import canonicalize, value
from fairlead.api.core.pod.volumes.claim import PersistentVolumeClaimSpec
from fairlead.api.core.pod.volumes.claim_rules import (
    claim_spec_errors,
    claim_warnings,
    complete_sources,
    default_claim_spec,
)
from fairlead.api.core.resourcenames import is_native
from fairlead.api.meta.columns import AGE, NAME, UNSET
from fairlead.api.meta.types import BY_TYPE, Object, Record, Resources, Strings, Time
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Column, Doc, Strategy
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, forbidden, invalid, not_supported

_FROZEN = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
_RESIZES = (
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizePending",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
)


class PersistentVolumeClaimCondition(Record):
    """Observation about a claim, such as that its volume is being resized."""

    type: Annotated[
        str, Doc("Type of the condition: Resizing, FileSystemResizePending, ModifyingVolume and others.")
    ] = msgspec.field(default_factory=str)
    lastProbeTime: Annotated[Time, Doc("Time at which the condition was last checked.")] | None = None
    lastTransitionTime: Annotated[Time, Doc("Time at which the status of the condition last changed.")] | None = None
    message: Annotated[str, Doc("Human-readable details about the last transition of the condition.")] = ""
    reason: Annotated[str, Doc("Reason of the last transition as one CamelCase word, for programs.")] = ""
    status: Annotated[str, Doc("Status of the condition: True, False or Unknown.")] = msgspec.field(default_factory=str)


class ModifyVolumeStatus(Record):
    """State of a change of the volume's attributes class."""

    status: Annotated[str, Doc("State of the change: Pending, InProgress or Infeasible.")] = msgspec.field(
        default_factory=str
    )
    targetVolumeAttributesClassName: Annotated[
        str, Doc("Name of the VolumeAttributesClass that the volume is being changed to.")
    ] = ""


class PersistentVolumeClaimStatus(Record):
    """Most recently observed state of a claim: its phase and the properties of its volume."""

    accessModes: Annotated[Strings, Doc("Access modes of the volume that is bound to the claim.")] = []
    allocatedResourceStatuses: Annotated[
        dict[str, str], Doc("State of the resize of each resource, by name, such as NodeResizePending.")
    ] = {}
    allocatedResources: Annotated[
        Resources, Doc("Amounts that are allocated to the claim, which a resize may make larger than its capacity.")
    ] = {}
    capacity: Annotated[Resources, Doc("Amounts of resources of the volume that is bound to the claim.")] = {}
    conditions: Annotated[
        list[PersistentVolumeClaimCondition], BY_TYPE, Doc("Most recent observations of the claim, such as a resize.")
    ] = []
    currentVolumeAttributesClassName: (
        Annotated[str, Doc("Name of the VolumeAttributesClass that the volume has at present.")] | None
    ) = None
    modifyVolumeStatus: (
        Annotated[ModifyVolumeStatus, Doc("State of a change of the volume's attributes class; absent without one.")]
        | None
    ) = None
    phase: Annotated[
        str, Doc("Phase of the claim: Pending (no volume yet), Bound, or Lost (the volume does not exist any more).")
    ] = ""


class PersistentVolumeClaim(Object):
    """Request for storage by the workloads of a namespace, which a PersistentVolume meets."""

    spec: Annotated[PersistentVolumeClaimSpec, Doc("Properties of the volume that the claim asks for.")] = (
        msgspec.field(default_factory=PersistentVolumeClaimSpec)
    )
    status: Annotated[
        PersistentVolumeClaimStatus, Doc("Most recently observed state of the claim; written by the system.")
    ] = msgspec.field(default_factory=PersistentVolumeClaimStatus)


def default_claim(claim: PersistentVolumeClaim) -> PersistentVolumeClaim:
    """Fills in upstream's defaults; also for the templates of a StatefulSet."""
    claim.status.phase = claim.status.phase or "Pending"
    canonicalize(claim.status.capacity)
    canonicalize(claim.status.allocatedResources)
    default_claim_spec(claim.spec)
    return claim


def _prepare_create(claim: PersistentVolumeClaim) -> PersistentVolumeClaim:
    claim.status = PersistentVolumeClaimStatus(phase="Pending")
    complete_sources(claim.spec)
    return claim


def _prepare_update(old: PersistentVolumeClaim, new: PersistentVolumeClaim) -> PersistentVolumeClaim:
    complete_sources(new.spec)
    return new


def _rules(claim: PersistentVolumeClaim) -> Iterator[FieldError]:
    yield from claim_spec_errors(claim.spec, "spec")
    status = claim.status
    for name, amount in sorted(status.capacity.items()):
        if value(str(amount)) < 0:
            text = "must be a valid resource quantity"
            yield invalid(f"status.capacity[{name}]", int(value(str(amount))), text)
    for name, state in sorted(status.allocatedResourceStatuses.items()):
        yield from _key_errors(name, "status.allocatedResourceStatuses")
        if state not in _RESIZES:
            yield not_supported("status.allocatedResourceStatuses", name, _RESIZES)
    for name, amount in sorted(status.allocatedResources.items()):
        yield from _key_errors(name, "status.allocatedResources")
        if value(str(amount)) < 0:
            text = "must be a valid resource quantity"
            yield invalid(f"status.allocatedResources[{name}]", int(value(str(amount))), text)


def _key_errors(name: str, path: str) -> Iterator[FieldError]:
    found = [invalid(path, name, text) for text in names.qualified_name(name)]
    yield from found
    if not found and is_native(name) and name != "storage":
        yield not_supported(path, name, ("storage",))


def _transition(old: PersistentVolumeClaim, new: PersistentVolumeClaim) -> Iterator[FieldError]:
    before, after = _comparable(old, new)
    if before != after:
        text = (
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
        )
        yield forbidden("spec", text)
    old_class, new_class = (claim.metadata.annotations.get(CLASS_ANNOTATION, "") for claim in (old, new))
    if old_class != new_class and not _moves_class(old, new):
        yield invalid(f"metadata.annotations.{CLASS_ANNOTATION}", new_class, "field is immutable")
    size = value(str(new.spec.resources.requests.get("storage", 0)))
    smaller = size < value(str(old.spec.resources.requests.get("storage", 0)))
    if smaller and size <= value(str(old.status.capacity.get("storage", 0))):
        yield forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")
    if old.spec.volumeMode != new.spec.volumeMode:
        yield invalid("volumeMode", new.spec.volumeMode, "field is immutable")
    yield from _attributes_errors(old, new)


def _comparable(
    old: PersistentVolumeClaim, new: PersistentVolumeClaim
) -> tuple[PersistentVolumeClaimSpec, PersistentVolumeClaimSpec]:
    """Returns both specs with the changes that are allowed made equal."""
    before, after = old.spec, new.spec
    if not before.volumeName:
        before = msgspec.structs.replace(before, volumeName=after.volumeName)
    annotated = old.metadata.annotations.get(CLASS_ANNOTATION)
    if before.storageClassName is None and annotated in (None, after.storageClassName):
        after = msgspec.structs.replace(after, storageClassName=None)
    if new.status.phase == "Bound":
        requests = dict(after.resources.requests)
        if "storage" in before.resources.requests:
            requests["storage"] = before.resources.requests["storage"]
        resources = msgspec.structs.replace(after.resources, requests=requests)
        after = msgspec.structs.replace(
            after, resources=resources, volumeAttributesClassName=before.volumeAttributesClassName
        )
    return before, after


def _moves_class(old: PersistentVolumeClaim, new: PersistentVolumeClaim) -> bool:
    """Returns whether the update moves the class from the old annotation to the field."""
    annotated = old.metadata.annotations.get(CLASS_ANNOTATION)
    if annotated is None or old.spec.storageClassName is not None or new.spec.storageClassName != annotated:
        return False
    return new.metadata.annotations.get(CLASS_ANNOTATION, annotated) == annotated


def _attributes_errors(old: PersistentVolumeClaim, new: PersistentVolumeClaim) -> Iterator[FieldError]:
    path, name = "spec.volumeAttributesClassName", new.spec.volumeAttributesClassName
    if old.spec.volumeAttributesClassName == name or old.status.currentVolumeAttributesClassName is None:
        return
    if name is None:
        text = "update to nil is forbidden when status.currentVolumeAttributesClassName is not nil"
        yield forbidden(path, text)
    elif not name:
        text = "update to empty string is forbidden when status.currentVolumeAttributesClassName is not nil"
        yield forbidden(path, text)


def _warnings(claim: PersistentVolumeClaim) -> Iterator[str]:
    if CLASS_ANNOTATION in claim.metadata.annotations:
        yield f"metadata.annotations[{CLASS_ANNOTATION}]: {OLD_CLASS}"
    yield from claim_warnings(claim.spec, "spec")


def _phase(claim: PersistentVolumeClaim, _: Instant) -> str:
    return "Terminating" if claim.metadata.deletionTimestamp else claim.status.phase


def _capacity(claim: PersistentVolumeClaim, _: Instant) -> str:
    return str(claim.status.capacity.get("storage", "0")) if claim.spec.volumeName else ""


def _modes(claim: PersistentVolumeClaim, _: Instant) -> str:
    return render_access_modes(claim.status.accessModes) if claim.spec.volumeName else ""


def _class(claim: PersistentVolumeClaim, _: Instant) -> str:
    return claim.metadata.annotations.get(CLASS_ANNOTATION, claim.spec.storageClassName or "")


STRATEGY: Strategy[PersistentVolumeClaim] = Strategy(
    type=PersistentVolumeClaim,
    columns=(
        NAME,
        Column("Status", _phase, doc="Phase of the claim: Pending, Bound, Lost or Terminating."),
        Column("Volume", lambda claim, _: claim.spec.volumeName, doc="Name of the volume of the claim."),
        Column("Capacity", _capacity, doc="Amount of storage of the volume that is bound to the claim."),
        Column("Access Modes", _modes, doc="Access modes of the volume that is bound to the claim."),
        Column("StorageClass", _class, doc="Name of the StorageClass of the claim."),
        Column(
            "VolumeAttributesClass",
            lambda claim, _: claim.spec.volumeAttributesClassName or UNSET,
            doc="Name of the VolumeAttributesClass of the claim.",
        ),
        AGE,
        Column(
            "VolumeMode",
            lambda claim, _: claim.spec.volumeMode or UNSET,
            wide=True,
            doc="Mode in which the volume is used: Filesystem or Block.",
        ),
    ),
    default=default_claim,
    prepare_create=_prepare_create,
    prepare_update=_prepare_update,
    rules=_rules,
    transition=_transition,
    warnings=_warnings,
)
