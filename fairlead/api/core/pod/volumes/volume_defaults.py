"""Upstream's defaults of volumes."""

from __future__ import annotations

from fairlead.api.core.amounts import canonical_text
from fairlead.api.core.pod.volumes.claim_rules import default_claim_spec
from fairlead.api.core.pod.volumes.volume import EmptyDirVolumeSource, Volume
from fairlead.api.core.pod.volumes.volume_network import (
    AzureDiskVolumeSource,
    ISCSIVolumeSource,
    RBDVolumeSource,
    ScaleIOVolumeSource,
)
from fairlead.api.core.pod.volumes.volume_projected import DownwardAPIVolumeFile, ProjectedVolumeSource
from fairlead.api.meta.types import Record

FILE_MODE = 0o644
TOKEN_SECONDS = 3600

SOURCES = tuple(name for name in Volume.__struct_fields__ if name != "name")


def source_of(volume: Volume) -> Record | None:
    """Returns the first source that is set, or None."""
    return next((source for name in SOURCES if (source := getattr(volume, name)) is not None), None)


def default_volume(volume: Volume) -> None:
    if (source := source_of(volume)) is None:
        volume.emptyDir = EmptyDirVolumeSource()
        return
    if volume.secret is source or volume.configMap is source or volume.downwardAPI is source:
        _default_files(volume)
    elif volume.projected is not None:
        _default_projected(volume.projected)
    elif volume.hostPath is not None and volume.hostPath.type is None:
        volume.hostPath.type = ""
    elif volume.emptyDir is not None and volume.emptyDir.sizeLimit is not None:
        volume.emptyDir.sizeLimit = canonical_text(volume.emptyDir.sizeLimit)
    elif volume.image is not None and not volume.image.pullPolicy:
        volume.image.pullPolicy = pull_policy(volume.image.reference)
    elif volume.ephemeral is not None and (template := volume.ephemeral.volumeClaimTemplate) is not None:
        default_claim_spec(template.spec)
    else:
        default_network(source)


def _default_files(volume: Volume) -> None:
    for source in (volume.secret, volume.configMap, volume.downwardAPI):
        if source is not None and source.defaultMode is None:
            source.defaultMode = FILE_MODE
    if volume.downwardAPI is not None:
        _default_downward(volume.downwardAPI.items)


def _default_downward(items: list[DownwardAPIVolumeFile]) -> None:
    for item in items:
        if item.fieldRef is not None and not item.fieldRef.apiVersion:
            item.fieldRef.apiVersion = "v1"
        if item.resourceFieldRef is not None:
            item.resourceFieldRef.divisor = canonical_text(item.resourceFieldRef.divisor)


def _default_projected(projected: ProjectedVolumeSource) -> None:
    if projected.defaultMode is None:
        projected.defaultMode = FILE_MODE
    for part in projected.sources:
        if part.serviceAccountToken is not None and part.serviceAccountToken.expirationSeconds is None:
            part.serviceAccountToken.expirationSeconds = TOKEN_SECONDS
        if part.downwardAPI is not None:
            _default_downward(part.downwardAPI.items)


def default_network(source: Record) -> None:
    match source:
        case ISCSIVolumeSource():
            source.iscsiInterface = source.iscsiInterface or "default"
        case RBDVolumeSource():
            source.pool = source.pool or "rbd"
            source.user = source.user or "admin"
            source.keyring = source.keyring or "/etc/ceph/keyring"
        case AzureDiskVolumeSource():
            source.cachingMode = source.cachingMode or "ReadWrite"
            source.kind = source.kind or "Shared"
            source.fsType = source.fsType or "ext4"
            source.readOnly = source.readOnly or False
        case ScaleIOVolumeSource():
            source.storageMode = source.storageMode or "ThinProvisioned"
            source.fsType = source.fsType or "xfs"
        case _:
            pass


def pull_policy(image: str) -> str:
    """Returns `Always` for images with tag `latest`, or with neither tag nor digest; else `IfNotPresent`."""
    name, _, digest = image.partition("@")
    _, colon, tag = name.rpartition("/")[2].partition(":")
    moves = tag == "latest" if colon or digest else bool(image)
    return "Always" if moves else "IfNotPresent"
