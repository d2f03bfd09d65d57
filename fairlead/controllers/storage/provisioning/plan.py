"""Decides which directory a claim gets, and which volumes are deleted with their directories.

What must stay true: a directory exists before its volume, and goes before its volume. So a provisioner that dies
between two steps leaves a claim that waits or a volume that is Released, and the next one does the step again. The name
of a volume follows from the claim's uid: a claim never gets two.

Source of names, annotations and texts: upstream's external-provisioner.
"""

from __future__ import annotations

import msgspec

from fairlead.api.core.persistentvolume import PERSISTENT_VOLUME
from fairlead.api.core.persistentvolume.types import PersistentVolume, PersistentVolumeSpec, VolumeNodeAffinity
from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
from fairlead.api.core.pod.placement.affinity import NodeSelector, NodeSelectorRequirement, NodeSelectorTerm
from fairlead.api.core.pod.volumes.volume import HostPathVolumeSource
from fairlead.api.meta.types import ObjectMeta
from fairlead.api.storage.storageclass.kind import StorageClass
from fairlead.base.keys import key_of
from fairlead.machinery.values.quoting import go_quote
from fairlead.runtime.plan import Create, Delete, EventRecord, Plan, Update
from fairlead.storage.binding import reference_to_claim, waits_for_pod
from fairlead.storage.wellknown import DELETION_FINALIZER, PROVISIONED_BY, PROVISIONER, SELECTED_NODE

_NAME_MAX = 255
"""Bytes in the name of a directory (NAME_MAX)."""


def is_due(claim: PersistentVolumeClaim, storage_class: StorageClass | None) -> bool:
    """Returns whether the claim waits for a directory."""
    meta = claim.metadata
    if storage_class is None or storage_class.provisioner != PROVISIONER:
        return False
    if claim.spec.volumeName or claim.status.phase != "Pending" or meta.deletionTimestamp:
        return False
    return not waits_for_pod(storage_class) or SELECTED_NODE in meta.annotations


def is_deletable(volume: PersistentVolume) -> bool:
    """Returns whether the volume and its directory are to be deleted: its claim is gone, and its policy is Delete."""
    return (
        volume.metadata.annotations.get(PROVISIONED_BY) == PROVISIONER
        and volume.spec.persistentVolumeReclaimPolicy == "Delete"
        and volume.status.phase in ("Released", "Failed")
        and volume.spec.hostPath is not None
    )


def volume_name(claim: PersistentVolumeClaim) -> str:
    return f"pvc-{claim.metadata.uid}"


def directory_name(claim: PersistentVolumeClaim) -> str:
    """Returns the name of the claim's directory, in which people recognize the claim."""
    meta = claim.metadata
    return f"{volume_name(claim)}_{meta.namespace}_{meta.name}"[:_NAME_MAX]


def directory_of(volume: PersistentVolume) -> str:
    """Returns the name of the volume's directory. The folder before it may have been moved since it was made."""
    assert volume.spec.hostPath is not None
    return volume.spec.hostPath.path.rpartition("/")[2]


def problem(claim: PersistentVolumeClaim, storage_class: StorageClass) -> str:
    """Returns why no directory can meet the claim; empty if one can."""
    spec = claim.spec
    if spec.volumeMode == "Block":
        return "directories cannot be block volumes: use volumeMode Filesystem"
    if spec.selector is not None:
        return "claim Selector is not supported"
    if spec.dataSource is not None or spec.dataSourceRef is not None:
        return "directories cannot start with the contents of a dataSource: copy the data in an init container"
    if spec.volumeAttributesClassName:
        return "directories have no attributes: leave volumeAttributesClassName out"
    if storage_class.parameters:
        names = ", ".join(sorted(storage_class.parameters))
        return f"directories have no parameters: StorageClass {go_quote(storage_class.metadata.name)} has {names}"
    if storage_class.mountOptions:
        return (
            "Mount options are not supported by the provisioner but StorageClass "
            f"{go_quote(storage_class.metadata.name)} has mount options [{' '.join(storage_class.mountOptions)}]"
        )
    return ""


def refusal(claim: PersistentVolumeClaim, storage_class: StorageClass, why: str) -> Plan:
    text = f"failed to provision volume with StorageClass {go_quote(storage_class.metadata.name)}: {why}"
    return Plan(events=(EventRecord(claim, "ProvisioningFailed", text, "Warning"),))


def provision(claim: PersistentVolumeClaim, storage_class: StorageClass, path: str) -> Plan:
    """Returns the plan for a claim whose directory exists at the path."""
    name, meta = volume_name(claim), claim.metadata
    spec = PersistentVolumeSpec(
        accessModes=claim.spec.accessModes,
        capacity={"storage": claim.spec.resources.requests.get("storage", "0")},
        claimRef=reference_to_claim(claim),
        hostPath=HostPathVolumeSource(path=path, type="Directory"),
        nodeAffinity=_affinity(storage_class),
        persistentVolumeReclaimPolicy=storage_class.reclaimPolicy or "Delete",
        storageClassName=storage_class.metadata.name,
        volumeMode="Filesystem",
    )
    volume = PersistentVolume(
        kind=PERSISTENT_VOLUME.kind,
        apiVersion=PERSISTENT_VOLUME.api_version,
        metadata=ObjectMeta(
            name=name,
            annotations={PROVISIONED_BY: PROVISIONER},
            finalizers=[DELETION_FINALIZER] if spec.persistentVolumeReclaimPolicy == "Delete" else [],
        ),
        spec=spec,
    )
    about = key_of(meta)
    events = (
        EventRecord(claim, "Provisioning", f"External provisioner is provisioning volume for claim {go_quote(about)}"),
    )
    done = EventRecord(claim, "ProvisioningSucceeded", f"Successfully provisioned volume {name}")
    failed = EventRecord(claim, "ProvisioningFailed", f"failed to save PersistentVolume {name}: {{error}}", "Warning")
    return Plan(create=(Create(PERSISTENT_VOLUME, volume, done=done, failed=failed),), events=events)


def _affinity(storage_class: StorageClass) -> VolumeNodeAffinity | None:
    """Returns the nodes that `allowedTopologies` permits; all nodes can reach the directory."""
    if not storage_class.allowedTopologies:
        return None
    terms = [
        NodeSelectorTerm(
            matchExpressions=[
                NodeSelectorRequirement(key=need.key, operator="In", values=need.values)
                for need in term.matchLabelExpressions
            ]
        )
        for term in storage_class.allowedTopologies
    ]
    return VolumeNodeAffinity(required=NodeSelector(nodeSelectorTerms=terms))


def deletion(volume: PersistentVolume) -> Plan:
    """Returns the plan for a volume whose directory is gone."""
    kept = [name for name in volume.metadata.finalizers if name != DELETION_FINALIZER]
    if kept != volume.metadata.finalizers:
        meta = msgspec.structs.replace(volume.metadata, finalizers=kept)
        return Plan(update=(Update(PERSISTENT_VOLUME, msgspec.structs.replace(volume, metadata=meta)),))
    return Plan() if volume.metadata.deletionTimestamp else Plan(delete=(Delete(PERSISTENT_VOLUME, volume),))


def failed_deletion(volume: PersistentVolume, why: str) -> Plan:
    return Plan(events=(EventRecord(volume, "VolumeFailedDelete", f"cannot delete the directory: {why}", "Warning"),))
