"""Decides about a bound claim whose request has grown, or whose attributes class has changed.

The size of a directory is not limited, so its expansion changes two objects: the volume's capacity, then the
claim's. Volumes of other provisioners are expanded by these. Source of conditions, reasons and texts: upstream's
external-resizer and expand controller.
"""

from __future__ import annotations

import msgspec

from fairlead.api.core.amounts import value
from fairlead.api.core.persistentvolume import PERSISTENT_VOLUME
from fairlead.api.core.persistentvolume.types import PersistentVolume
from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim, PersistentVolumeClaimCondition
from fairlead.base.instant import Instant, render_time
from fairlead.runtime.plan import NOTHING, EventRecord, Plan, Update
from fairlead.storage.matching import requested_size, size_of
from fairlead.storage.wellknown import PROVISIONED_BY, PROVISIONER

_RESIZING = "Resizing"


def reconcile(claim: PersistentVolumeClaim, volume: PersistentVolume, *, now: Instant) -> Plan:
    if claim.status.phase != "Bound" or volume.spec.claimRef is None or volume.spec.claimRef.uid != claim.metadata.uid:
        return NOTHING
    ours = volume.metadata.annotations.get(PROVISIONED_BY) == PROVISIONER
    if requested_size(claim) > value(str(claim.status.capacity.get("storage", 0))):
        return _expand(claim, volume, now) if ours else _leave(claim, volume)
    changed = claim.spec.volumeAttributesClassName not in (None, "", claim.status.currentVolumeAttributesClassName)
    if changed and volume.spec.csi is None:
        text = "only volumes of CSI drivers have attributes that can be changed"
        return Plan(events=(EventRecord(claim, "VolumeModifyFailed", text, "Warning"),))
    return NOTHING


def _expand(claim: PersistentVolumeClaim, volume: PersistentVolume, now: Instant) -> Plan:
    name, amount = volume.metadata.name, claim.spec.resources.requests["storage"]
    if size_of(volume) < requested_size(claim):
        spec = msgspec.structs.replace(volume.spec, capacity=volume.spec.capacity | {"storage": amount})
        started = EventRecord(claim, "Resizing", f"External resizer is resizing volume {name}")
        return Plan(
            update=(Update(PERSISTENT_VOLUME, msgspec.structs.replace(volume, spec=spec)),),
            status=_begun(claim, now),
            events=(started,),
        )
    status = msgspec.structs.replace(
        claim.status,
        capacity=claim.status.capacity | {"storage": volume.spec.capacity["storage"]},
        conditions=[c for c in claim.status.conditions if c.type != _RESIZING],
        allocatedResources=claim.status.allocatedResources | {"storage": amount},
        allocatedResourceStatuses={
            name: state for name, state in claim.status.allocatedResourceStatuses.items() if name != "storage"
        },
    )
    done = EventRecord(claim, "VolumeResizeSuccessful", "Resize volume succeeded")
    made = msgspec.structs.replace(claim, status=status)
    return Plan(status=(Update(PERSISTENT_VOLUME_CLAIM, made, "status", done=done),))


def _begun(claim: PersistentVolumeClaim, now: Instant) -> tuple[Update, ...]:
    if any(c.type == _RESIZING for c in claim.status.conditions):
        return ()
    condition = PersistentVolumeClaimCondition(type=_RESIZING, status="True", lastTransitionTime=render_time(now))
    status = msgspec.structs.replace(
        claim.status,
        conditions=[*claim.status.conditions, condition],
        allocatedResources=claim.status.allocatedResources | {"storage": claim.spec.resources.requests["storage"]},
        allocatedResourceStatuses=claim.status.allocatedResourceStatuses | {"storage": "ControllerResizeInProgress"},
    )
    return (Update(PERSISTENT_VOLUME_CLAIM, msgspec.structs.replace(claim, status=status), "status"),)


def _leave(claim: PersistentVolumeClaim, volume: PersistentVolume) -> Plan:
    text = "waiting for an external controller to expand this PVC"
    if volume.spec.csi is not None:
        return Plan(events=(EventRecord(claim, "ExternalExpanding", text),))
    text = (
        "Ignoring the PVC: didn't find a plugin capable of expanding the volume; waiting for an external controller to "
        "process this PVC."
    )
    return Plan(events=(EventRecord(claim, "ExternalExpanding", text, "Warning"),))
