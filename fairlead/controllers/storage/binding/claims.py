"""Decides about one claim: the volume that it gets, or why it waits.

Each plan is one step; its writes lead to the next reconcile. So a controller that dies between two steps leaves nothing
that its successor does not finish. Source of the steps, reasons and texts: upstream's persistent volume controller.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fairlead.api.core.persistentvolume import PERSISTENT_VOLUME
from fairlead.api.core.persistentvolume.types import PersistentVolume
from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
from fairlead.api.storage.storageclass.kind import StorageClass
from fairlead.controllers.storage.binding.state import State
from fairlead.controllers.storage.binding.volumes import phase_update
from fairlead.machinery.values.quoting import go_quote
from fairlead.runtime.plan import NOTHING, EventRecord, Plan, Update
from fairlead.storage.binding import bound_volume, waits_for_pod
from fairlead.storage.matching import best_volume, class_of_claim, is_for, mismatch
from fairlead.storage.wellknown import (
    BIND_COMPLETED,
    BOUND_BY_CONTROLLER,
    IN_TREE,
    MIGRATED,
    SELECTED_NODE,
    STORAGE_PROVISIONER,
)

_NO_VOLUME = "no persistent volumes available for this claim and no storage class is set"


def reconcile_claim(claim: PersistentVolumeClaim, state: State) -> Plan:
    if BIND_COMPLETED in claim.metadata.annotations:
        return _bound(claim, state)
    if not claim.spec.volumeName:
        return _search(claim, state)
    return _requested(claim, state)


def _search(claim: PersistentVolumeClaim, state: State) -> Plan:
    """Returns the plan for a claim that takes any fitting volume."""
    storage_class = state.class_of(claim)
    delayed = waits_for_pod(storage_class)
    volume = best_volume(claim, state.volumes.values(), reserved_only=delayed)
    if volume is not None:
        return _bind(claim, volume)
    if claim.spec.storageClassName is None and not class_of_claim(claim) and (name := state.default_class()):
        spec = msgspec.structs.replace(claim.spec, storageClassName=name)
        return Plan(update=(Update(PERSISTENT_VOLUME_CLAIM, msgspec.structs.replace(claim, spec=spec)),))
    if delayed and SELECTED_NODE not in claim.metadata.annotations:
        return _pending(claim, _delay(claim, state.waiting_pods))
    if name := class_of_claim(claim):
        return _provision(claim, name, storage_class)
    return _pending(claim, EventRecord(claim, "FailedBinding", _NO_VOLUME))


def _delay(claim: PersistentVolumeClaim, pods: Sequence[str]) -> EventRecord:
    names = sorted(pods)
    if not names:
        return EventRecord(claim, "WaitForFirstConsumer", "waiting for first consumer to be created before binding")
    what = f"pod {names[0]}" if len(names) == 1 else f"pods {','.join(names)}"
    return EventRecord(claim, "WaitForPodScheduled", f"waiting for {what} to be scheduled")


def _provision(claim: PersistentVolumeClaim, name: str, storage_class: StorageClass | None) -> Plan:
    """Asks the class's provisioner for a volume, by annotations."""
    if storage_class is None:
        text = f"storageclass.storage.k8s.io {go_quote(name)} not found"
        return _pending(claim, EventRecord(claim, "ProvisioningFailed", text, "Warning"))
    provisioner = storage_class.provisioner
    if provisioner.startswith(IN_TREE) and provisioner not in MIGRATED:
        text = f"no volume plugin matched name: {provisioner}"
        return _pending(claim, EventRecord(claim, "ProvisioningFailed", text, "Warning"))
    if all(claim.metadata.annotations.get(key) == provisioner for key in STORAGE_PROVISIONER):
        return NOTHING
    annotations = claim.metadata.annotations | dict.fromkeys(STORAGE_PROVISIONER, provisioner)
    meta = msgspec.structs.replace(claim.metadata, annotations=annotations)
    text = (
        f"Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the "
        "system administrator. If volume creation is delayed, please verify that the provisioner is running and "
        "correctly registered."
    )
    done = EventRecord(claim, "ExternalProvisioning", text)
    return Plan(update=(Update(PERSISTENT_VOLUME_CLAIM, msgspec.structs.replace(claim, metadata=meta), done=done),))


def _requested(claim: PersistentVolumeClaim, state: State) -> Plan:
    """Returns the plan for a claim that names its volume."""
    volume = state.volumes.get(claim.spec.volumeName)
    if volume is None:
        return _pending(claim)
    if volume.spec.claimRef is None:
        if problem := mismatch(volume, claim):
            text = f"Cannot bind to requested volume {go_quote(volume.metadata.name)}: {problem}"
            return _pending(claim, EventRecord(claim, "VolumeMismatch", text, "Warning"))
        return _bind(claim, volume)
    if is_for(volume, claim):
        return _bind(claim, volume)
    text = f"volume {go_quote(volume.metadata.name)} already bound to a different claim."
    return _pending(claim, EventRecord(claim, "FailedBinding", text, "Warning"))


def _bound(claim: PersistentVolumeClaim, state: State) -> Plan:
    """Returns the plan for a claim that has been bound before."""
    if not claim.spec.volumeName:
        text = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
        return _lost(claim, "ClaimLost", text)
    volume = state.volumes.get(claim.spec.volumeName)
    if volume is None:
        text = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
        return _lost(claim, "ClaimLost", text)
    ref = volume.spec.claimRef
    if ref is None or ref.uid == claim.metadata.uid:
        return _bind(claim, volume)
    text = "Two claims are bound to the same volume, this one is bound incorrectly"
    return _lost(claim, "ClaimMisbound", text)


def _bind(claim: PersistentVolumeClaim, volume: PersistentVolume) -> Plan:
    """Returns the next step of binding the two to each other: first the volume, then the claim, then its status."""
    changed = bound_volume(volume, claim)
    if changed is not None:
        return Plan(update=(Update(PERSISTENT_VOLUME, changed),))
    phase = phase_update(volume, "Bound")
    if (named := _named(claim, volume)) is not None:
        return Plan(update=(Update(PERSISTENT_VOLUME_CLAIM, named),), status=phase)
    return Plan(status=(*phase, *_status(claim, volume)))


def _named(claim: PersistentVolumeClaim, volume: PersistentVolume) -> PersistentVolumeClaim | None:
    """Returns the claim with its volume; None if it has it already."""
    annotations = dict(claim.metadata.annotations)
    if claim.spec.volumeName != volume.metadata.name:
        annotations[BOUND_BY_CONTROLLER] = "yes"
    elif BIND_COMPLETED in annotations:
        return None
    annotations[BIND_COMPLETED] = "yes"
    return msgspec.structs.replace(
        claim,
        metadata=msgspec.structs.replace(claim.metadata, annotations=annotations),
        spec=msgspec.structs.replace(claim.spec, volumeName=volume.metadata.name),
    )


def _status(claim: PersistentVolumeClaim, volume: PersistentVolume) -> tuple[Update, ...]:
    """Returns the write of the status of a bound claim. Its capacity then changes only by an expansion."""
    old = claim.status
    status = msgspec.structs.replace(old, phase="Bound", accessModes=volume.spec.accessModes)
    if old.phase != "Bound" or not old.capacity:
        status.capacity = volume.spec.capacity
        status.currentVolumeAttributesClassName = volume.spec.volumeAttributesClassName
    if status == old:
        return ()
    return (Update(PERSISTENT_VOLUME_CLAIM, msgspec.structs.replace(claim, status=status), "status"),)


def _pending(claim: PersistentVolumeClaim, *events: EventRecord) -> Plan:
    return Plan(status=_phase(claim, "Pending"), events=events)


def _lost(claim: PersistentVolumeClaim, reason: str, text: str) -> Plan:
    if claim.status.phase == "Lost":
        return NOTHING
    return Plan(status=_phase(claim, "Lost"), events=(EventRecord(claim, reason, text, "Warning"),))


def _phase(claim: PersistentVolumeClaim, phase: str) -> tuple[Update, ...]:
    """Returns the write of the phase of a claim without a volume."""
    status = msgspec.structs.replace(claim.status, phase=phase, accessModes=[], capacity={})
    if status == claim.status:
        return ()
    return (Update(PERSISTENT_VOLUME_CLAIM, msgspec.structs.replace(claim, status=status), "status"),)
