"""A pod's volumes, and the sources that a node serves by itself."""

from __future__ import annotations

from typing import Annotated

from fairlead.api.claim import PersistentVolumeClaimTemplate
from fairlead.api.meta import Int32, Quantity, Record
from fairlead.api.reference import LocalObjectReference
from fairlead.api.volume_network import (
    AWSElasticBlockStoreVolumeSource,
    AzureDiskVolumeSource,
    AzureFileVolumeSource,
    CephFSVolumeSource,
    CinderVolumeSource,
    FCVolumeSource,
    FlexVolumeSource,
    FlockerVolumeSource,
    GCEPersistentDiskVolumeSource,
    GlusterfsVolumeSource,
    ISCSIVolumeSource,
    NFSVolumeSource,
    PhotonPersistentDiskVolumeSource,
    PortworxVolumeSource,
    QuobyteVolumeSource,
    RBDVolumeSource,
    ScaleIOVolumeSource,
    StorageOSVolumeSource,
    VsphereVirtualDiskVolumeSource,
)
from fairlead.api.volume_projected import (
    ConfigMapVolumeSource,
    DownwardAPIVolumeSource,
    ProjectedVolumeSource,
    SecretVolumeSource,
)
from fairlead.machinery.kind import Atomic, Format, OneOf, Required


class EmptyDirVolumeSource(Record):
    medium: str = ""
    mode: Int32 | None = None
    sizeLimit: Quantity | None = None


class HostPathVolumeSource(Record):
    type: (
        Annotated[
            str, OneOf("DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice")
        ]
        | None
    ) = None
    path: Annotated[str, Required()] = ""


class GitRepoVolumeSource(Record):
    repository: str = ""
    directory: str = ""
    revision: str = ""


class ImageVolumeSource(Record):
    pullPolicy: str = ""
    reference: str = ""


class CSIVolumeSource(Record):
    driver: Annotated[str, Required()] = ""
    fsType: str | None = None
    nodePublishSecretRef: Annotated[LocalObjectReference, Atomic()] | None = None
    readOnly: bool | None = None
    volumeAttributes: dict[str, str] = {}


class PersistentVolumeClaimVolumeSource(Record):
    claimName: Annotated[str, Required()] = ""
    readOnly: bool = False


class EphemeralVolumeSource(Record):
    volumeClaimTemplate: PersistentVolumeClaimTemplate | None = None


class Volume(Record):
    name: Annotated[str, Required(), Format("dns-label")] = ""
    awsElasticBlockStore: AWSElasticBlockStoreVolumeSource | None = None
    azureDisk: AzureDiskVolumeSource | None = None
    azureFile: AzureFileVolumeSource | None = None
    cephfs: CephFSVolumeSource | None = None
    cinder: CinderVolumeSource | None = None
    configMap: ConfigMapVolumeSource | None = None
    csi: CSIVolumeSource | None = None
    downwardAPI: DownwardAPIVolumeSource | None = None
    emptyDir: EmptyDirVolumeSource | None = None
    ephemeral: EphemeralVolumeSource | None = None
    fc: FCVolumeSource | None = None
    flexVolume: FlexVolumeSource | None = None
    flocker: FlockerVolumeSource | None = None
    gcePersistentDisk: GCEPersistentDiskVolumeSource | None = None
    gitRepo: GitRepoVolumeSource | None = None
    glusterfs: GlusterfsVolumeSource | None = None
    hostPath: HostPathVolumeSource | None = None
    image: ImageVolumeSource | None = None
    iscsi: ISCSIVolumeSource | None = None
    nfs: NFSVolumeSource | None = None
    persistentVolumeClaim: PersistentVolumeClaimVolumeSource | None = None
    photonPersistentDisk: PhotonPersistentDiskVolumeSource | None = None
    portworxVolume: PortworxVolumeSource | None = None
    projected: ProjectedVolumeSource | None = None
    quobyte: QuobyteVolumeSource | None = None
    rbd: RBDVolumeSource | None = None
    scaleIO: ScaleIOVolumeSource | None = None
    secret: SecretVolumeSource | None = None
    storageos: StorageOSVolumeSource | None = None
    vsphereVolume: VsphereVirtualDiskVolumeSource | None = None
