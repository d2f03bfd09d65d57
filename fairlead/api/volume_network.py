"""Volumes on disks and file servers elsewhere. Accepted and kept; no node here mounts them."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.meta import Int32, Record, Strings
from fairlead.api.reference import LocalObjectReference
from fairlead.machinery.kind import Atomic, Required


class NFSVolumeSource(Record):
    path: Annotated[str, Required()] = ""
    server: Annotated[str, Required()] = ""
    readOnly: bool = False


class ISCSIVolumeSource(Record):
    iqn: str = ""
    lun: Int32 = msgspec.field(default_factory=int)
    targetPortal: str = ""
    chapAuthDiscovery: bool = False
    chapAuthSession: bool = False
    fsType: str = ""
    initiatorName: str | None = None
    iscsiInterface: str = ""
    portals: Strings = []
    readOnly: bool = False
    secretRef: Annotated[LocalObjectReference, Atomic()] | None = None


class FCVolumeSource(Record):
    fsType: str = ""
    lun: Int32 | None = None
    readOnly: bool = False
    targetWWNs: Strings = []
    wwids: Strings = []


class RBDVolumeSource(Record):
    image: str = ""
    monitors: Strings = []
    fsType: str = ""
    keyring: str = ""
    pool: str = ""
    readOnly: bool = False
    secretRef: Annotated[LocalObjectReference, Atomic()] | None = None
    user: str = ""


class CephFSVolumeSource(Record):
    monitors: Strings = []
    path: str = ""
    readOnly: bool = False
    secretFile: str = ""
    secretRef: Annotated[LocalObjectReference, Atomic()] | None = None
    user: str = ""


class GlusterfsVolumeSource(Record):
    endpoints: str = ""
    path: str = ""
    readOnly: bool = False


class CinderVolumeSource(Record):
    volumeID: str = ""
    fsType: str = ""
    readOnly: bool = False
    secretRef: Annotated[LocalObjectReference, Atomic()] | None = None


class AWSElasticBlockStoreVolumeSource(Record):
    volumeID: str = ""
    fsType: str = ""
    partition: Int32 = 0
    readOnly: bool = False


class GCEPersistentDiskVolumeSource(Record):
    pdName: str = ""
    fsType: str = ""
    partition: Int32 = 0
    readOnly: bool = False


class AzureDiskVolumeSource(Record):
    diskName: str = ""
    diskURI: str = ""
    cachingMode: str | None = None
    fsType: str | None = None
    kind: str | None = None
    readOnly: bool | None = None


class AzureFileVolumeSource(Record):
    secretName: str = ""
    shareName: str = ""
    readOnly: bool = False


class VsphereVirtualDiskVolumeSource(Record):
    volumePath: str = ""
    fsType: str = ""
    storagePolicyID: str = ""
    storagePolicyName: str = ""


class PhotonPersistentDiskVolumeSource(Record):
    pdID: str = ""
    fsType: str = ""


class PortworxVolumeSource(Record):
    volumeID: str = ""
    fsType: str = ""
    readOnly: bool = False


class QuobyteVolumeSource(Record):
    registry: str = ""
    volume: str = ""
    group: str = ""
    readOnly: bool = False
    tenant: str = ""
    user: str = ""


class ScaleIOVolumeSource(Record):
    gateway: str = ""
    secretRef: Annotated[LocalObjectReference, Atomic()] | None = None
    system: str = ""
    fsType: str = ""
    protectionDomain: str = ""
    readOnly: bool = False
    sslEnabled: bool = False
    storageMode: str = ""
    storagePool: str = ""
    volumeName: str = ""


class StorageOSVolumeSource(Record):
    fsType: str = ""
    readOnly: bool = False
    secretRef: Annotated[LocalObjectReference, Atomic()] | None = None
    volumeName: str = ""
    volumeNamespace: str = ""


class FlockerVolumeSource(Record):
    datasetName: str = ""
    datasetUUID: str = ""


class FlexVolumeSource(Record):
    driver: str = ""
    fsType: str = ""
    options: dict[str, str] = {}
    readOnly: bool = False
    secretRef: Annotated[LocalObjectReference, Atomic()] | None = None
