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
from fairlead.machinery.kind import Atomic, Doc, Format, OneOf, Required


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
    name: Annotated[str, Required(), Format("dns-label"), Doc("What mounts call it.")] = ""
    awsElasticBlockStore: AWSElasticBlockStoreVolumeSource | None = None
    azureDisk: AzureDiskVolumeSource | None = None
    azureFile: AzureFileVolumeSource | None = None
    cephfs: CephFSVolumeSource | None = None
    cinder: CinderVolumeSource | None = None
    configMap: Annotated[ConfigMapVolumeSource, Doc("Values of a config map, as files.")] | None = None
    csi: Annotated[CSIVolumeSource, Doc("What a storage driver provides.")] | None = None
    downwardAPI: Annotated[DownwardAPIVolumeSource, Doc("Facts about the pod, as files.")] | None = None
    emptyDir: Annotated[EmptyDirVolumeSource, Doc("An empty folder that lives as long as the pod.")] | None = None
    ephemeral: Annotated[EphemeralVolumeSource, Doc("A claim made for this pod.")] | None = None
    fc: FCVolumeSource | None = None
    flexVolume: FlexVolumeSource | None = None
    flocker: FlockerVolumeSource | None = None
    gcePersistentDisk: GCEPersistentDiskVolumeSource | None = None
    gitRepo: GitRepoVolumeSource | None = None
    glusterfs: GlusterfsVolumeSource | None = None
    hostPath: Annotated[HostPathVolumeSource, Doc("A path of the node.")] | None = None
    image: Annotated[ImageVolumeSource, Doc("The files of an image.")] | None = None
    iscsi: Annotated[ISCSIVolumeSource, Doc("An iSCSI disk.")] | None = None
    nfs: Annotated[NFSVolumeSource, Doc("An NFS share.")] | None = None
    persistentVolumeClaim: Annotated[PersistentVolumeClaimVolumeSource, Doc("What a claim was given.")] | None = None
    photonPersistentDisk: PhotonPersistentDiskVolumeSource | None = None
    portworxVolume: PortworxVolumeSource | None = None
    projected: Annotated[ProjectedVolumeSource, Doc("Several sources in one folder.")] | None = None
    quobyte: QuobyteVolumeSource | None = None
    rbd: RBDVolumeSource | None = None
    scaleIO: ScaleIOVolumeSource | None = None
    secret: Annotated[SecretVolumeSource, Doc("Values of a secret, as files.")] | None = None
    storageos: StorageOSVolumeSource | None = None
    vsphereVolume: VsphereVirtualDiskVolumeSource | None = None
