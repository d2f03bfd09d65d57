"""Volumes of claims: gets claim and PersistentVolume from the API and decides how the volume is mounted.

Source of the texts: upstream's kubelet. Imported for pods with claims only.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from fairlead.api.core.persistentvolume import PERSISTENT_VOLUME
from fairlead.api.core.persistentvolume.rules import given_sources
from fairlead.api.core.persistentvolume.types import PersistentVolume
from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.kind import Pod
from fairlead.base.dataclass import dataclass
from fairlead.machinery.values.status import StatusError
from fairlead.node.volumes.contents import VolumeProblem
from fairlead.node.volumes.plugin import VolumePlugin
from fairlead.node.volumes.plugins.hostpath import HOST_PATH_VOLUME
from fairlead.node.volumes.plugins.persistent import DIRECTORY_VOLUME, LOCAL_VOLUME
from fairlead.runtime.client import Client
from fairlead.storage.podclaims import PodClaim, claims_of, is_for_pod
from fairlead.storage.wellknown import BIND_COMPLETED, PROVISIONED_BY, PROVISIONER

_ALONE = "ReadWriteOncePod"
_IN_USE = "volume uses the ReadWriteOncePod access mode and is already in use by another pod"


class ClaimProblem(VolumeProblem):
    """The claim does not have a volume that can be mounted yet; the text is that of the whole event."""


@dataclass(frozen=True, slots=True)
class ClaimedVolume:
    """The volume of a claim, with the way to mount it."""

    volume: str
    """The name of the PersistentVolume."""
    claim: str
    plugin: VolumePlugin
    source: Any
    read_only: bool


async def fetch_claimed(
    client: Client, pod: Pod, found: PodClaim, *, directories: str, others: Iterable[Pod] = ()
) -> ClaimedVolume:
    """Returns the volume of one of the pod's claims. `others` are the pods of the node. Raises VolumeProblem,
    ConnectionError, and StatusError but for 404 and 403: a node may read a claim only after it knows of the pod."""
    namespace = pod.metadata.namespace
    try:
        claim = await _claim(client, pod, found)
        volume = await _volume(client, claim)
        plugin, source = mounted_as(volume, directories=directories)
        if any(device.name == found.volume for c in _containers(pod) for device in c.volumeDevices):
            raise VolumeProblem(f"volume {found.volume} has volumeMode Filesystem, but is specified in volumeDevices")
    except VolumeProblem as error:
        about = f"unmounted volumes=[{found.volume}], unattached volumes=[], failed to process volumes=[{found.volume}]"
        text = f"error processing PVC {namespace}/{found.claim}: {error}"
        raise ClaimProblem(f"Unable to attach or mount volumes: {about}: {text}") from error
    if _ALONE in claim.spec.accessModes and any(_comes_first(other, pod, found.claim) for other in others):
        raise VolumeProblem(f'MountVolume.SetUp failed for volume "{volume.metadata.name}" : {_IN_USE}')
    return ClaimedVolume(volume.metadata.name, found.claim, plugin, source, found.read_only)


def _comes_first(other: Pod, pod: Pod, claim: str) -> bool:
    """Returns whether the other pod has the claim, or is to get it before this one: the one that runs, then the
    older. The scheduler prevents that two pods ask for it, unless they name their node."""
    meta = other.metadata
    if meta.uid == pod.metadata.uid or meta.namespace != pod.metadata.namespace:
        return False
    if other.status.phase in ("Succeeded", "Failed") or not any(found.claim == claim for found in claims_of(other)):
        return False
    return _rank(other) < _rank(pod)


def _rank(pod: Pod) -> tuple[bool, str, str]:
    return pod.status.phase != "Running", pod.metadata.creationTimestamp or "", pod.metadata.name


def _containers(pod: Pod) -> tuple[Container, ...]:
    return (*pod.spec.initContainers, *pod.spec.containers)


async def _claim(client: Client, pod: Pod, found: PodClaim) -> PersistentVolumeClaim:
    try:
        claim = await client.get(PERSISTENT_VOLUME_CLAIM, found.claim, pod.metadata.namespace)
    except StatusError as error:
        if error.code not in (403, 404):
            raise
        raise VolumeProblem(f"failed to fetch PVC from API server: {error.message}") from error
    if found.is_ephemeral and not is_for_pod(pod, claim.metadata):
        raise VolumeProblem(f"PVC was not created for pod {pod.metadata.name} (pod is not owner)")
    if claim.metadata.deletionTimestamp and "kubernetes.io/pvc-protection" not in claim.metadata.finalizers:
        raise VolumeProblem("PVC is being deleted")
    if not _is_bound(claim):
        raise VolumeProblem("PVC is not bound")
    if not claim.spec.volumeName:
        raise VolumeProblem("PVC has empty pvc.Spec.VolumeName")
    return claim


def _is_bound(claim: PersistentVolumeClaim) -> bool:
    """Returns whether the binding is complete. The annotation, which the scheduler obeys, comes a moment before the
    phase."""
    is_complete = bool(claim.spec.volumeName) and BIND_COMPLETED in claim.metadata.annotations
    return claim.status.phase == "Bound" or (is_complete and claim.status.phase != "Lost")


async def _volume(client: Client, claim: PersistentVolumeClaim) -> PersistentVolume:
    name = claim.spec.volumeName
    try:
        volume = await client.get(PERSISTENT_VOLUME, name)
    except StatusError as error:
        if error.code not in (403, 404):
            raise
        raise VolumeProblem(f"failed to fetch PV {name} from API server: {error.message}") from error
    ref, uid = volume.spec.claimRef, claim.metadata.uid
    if ref is None:
        raise VolumeProblem(
            f"found PV object {name} but it has a nil pv.Spec.ClaimRef indicating it is not yet bound to the claim"
        )
    if ref.uid != uid:
        raise VolumeProblem(
            f"found PV object {name} but its pv.Spec.ClaimRef.UID {ref.uid} does not point to claim.UID {uid}"
        )
    return volume


def mounted_as(volume: PersistentVolume, *, directories: str) -> tuple[VolumePlugin, Any]:
    """Returns the type and the source by which a PersistentVolume is mounted. `directories` is the folder of the
    built-in provisioner, which pods reach by such a volume only. Raises VolumeProblem."""
    spec, name = volume.spec, volume.metadata.name
    if spec.volumeMode == "Block":
        raise VolumeProblem(
            f"volume {name} is a block volume, which fairlead's nodes cannot map: use volumeMode Filesystem"
        )
    if spec.mountOptions:
        raise VolumeProblem(f"volume {name} has mountOptions, which a directory cannot have")
    if spec.local is not None:
        if spec.local.fsType:
            raise VolumeProblem(f"volume {name} is a device with an fsType, which fairlead's nodes cannot mount")
        return LOCAL_VOLUME, spec.local.path
    if spec.hostPath is not None:
        path = os.path.normpath(spec.hostPath.path)
        if directories and volume.metadata.annotations.get(PROVISIONED_BY) == PROVISIONER:
            # By name: the cluster's folder may have been moved, or restored in another place.
            directory = os.path.basename(path)
            if not directory:
                raise VolumeProblem(f"volume {name} has the hostPath /, which is not a directory of {PROVISIONER}")
            return DIRECTORY_VOLUME, f"{directories}/{directory}"
        if directories and os.path.dirname(path) == directories:
            return DIRECTORY_VOLUME, path
        return HOST_PATH_VOLUME, spec.hostPath
    kinds = ", ".join(given_sources(spec))
    raise VolumeProblem(f"volumes of the type {kinds} are not supported by fairlead's nodes: use local or hostPath")
