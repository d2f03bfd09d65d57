"""Decides about one volume: its phase, and what happens to it without its claim.

Source of the steps, reasons and texts: upstream's persistent volume controller. Different from upstream: `Recycle` is
refused (upstream's recycler is a pod that deletes the files of a hostPath; deprecated since 1.5), and so is `Delete`
for volumes that no provisioner has made.
"""

from __future__ import annotations

import msgspec

from fairlead.api.core.persistentvolume import PERSISTENT_VOLUME
from fairlead.api.core.persistentvolume.types import PersistentVolume, PersistentVolumeStatus
from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
from fairlead.controllers.storage.binding.state import State
from fairlead.machinery.values.quoting import go_quote
from fairlead.runtime.plan import NOTHING, EventRecord, Plan, Update
from fairlead.storage.matching import same_mode
from fairlead.storage.wellknown import BOUND_BY_CONTROLLER, PROVISIONED_BY

_ENDED = ("Released", "Failed")


def reconcile_volume(volume: PersistentVolume, state: State) -> Plan:
    ref = volume.spec.claimRef
    if ref is None or not ref.uid:
        return Plan(status=phase_update(volume, "Available"))
    claim = state.claim_at(ref)
    if claim is None:
        return _reclaim(volume)
    if not claim.spec.volumeName:
        return NOTHING if same_mode(volume, claim) else _wrong_mode(volume, claim)
    if claim.spec.volumeName == volume.metadata.name:
        return Plan(status=phase_update(volume, "Bound"))
    if PROVISIONED_BY in volume.metadata.annotations and volume.spec.persistentVolumeReclaimPolicy == "Delete":
        return _reclaim(volume)
    if BOUND_BY_CONTROLLER in volume.metadata.annotations:
        return Plan(update=(Update(PERSISTENT_VOLUME, _unbound(volume)),))
    return NOTHING


def phase_update(volume: PersistentVolume, phase: str, message: str = "") -> tuple[Update, ...]:
    """Returns the write of the volume's phase; nothing if it has the phase."""
    old = volume.status
    if (old.phase, old.message, old.reason) == (phase, message, ""):
        return ()
    status = PersistentVolumeStatus(phase=phase, message=message, lastPhaseTransitionTime=old.lastPhaseTransitionTime)
    return (Update(PERSISTENT_VOLUME, msgspec.structs.replace(volume, status=status), "status"),)


def _reclaim(volume: PersistentVolume) -> Plan:
    """Returns the plan for a volume whose claim is gone. A provisioner deletes its volumes itself."""
    released = () if volume.status.phase in _ENDED else phase_update(volume, "Released")
    if released:
        return Plan(status=released)
    match volume.spec.persistentVolumeReclaimPolicy:
        case "Recycle":
            return _fail(volume, "VolumeFailedRecycle", "No recycler plugin found for the volume!")
        case "Delete" if PROVISIONED_BY not in volume.metadata.annotations:
            text = (
                f"error getting deleter volume plugin for volume {go_quote(volume.metadata.name)}: no volume plugin "
                "matched: no provisioner made the volume, so delete its data and the PersistentVolume by hand"
            )
            return _fail(volume, "VolumeFailedDelete", text)
        case _:
            return NOTHING


def _fail(volume: PersistentVolume, reason: str, text: str) -> Plan:
    status = phase_update(volume, "Failed", text)
    return Plan(status=status, events=(EventRecord(volume, reason, text, "Warning"),)) if status else NOTHING


def _unbound(volume: PersistentVolume) -> PersistentVolume:
    """Returns the volume without the claim that the controller had chosen."""
    annotations = {key: text for key, text in volume.metadata.annotations.items() if key != BOUND_BY_CONTROLLER}
    return msgspec.structs.replace(
        volume,
        metadata=msgspec.structs.replace(volume.metadata, annotations=annotations),
        spec=msgspec.structs.replace(volume.spec, claimRef=None),
    )


def _wrong_mode(volume: PersistentVolume, claim: PersistentVolumeClaim) -> Plan:
    end = "due to incompatible volumeMode."
    about_volume = (
        f"Cannot bind PersistentVolume to requested PersistentVolumeClaim {go_quote(claim.metadata.name)} {end}"
    )
    about_claim = (
        f"Cannot bind PersistentVolume {go_quote(volume.metadata.name)} to requested PersistentVolumeClaim {end}"
    )
    return Plan(
        events=(
            EventRecord(volume, "VolumeMismatch", about_volume, "Warning"),
            EventRecord(claim, "VolumeMismatch", about_claim, "Warning"),
        )
    )
