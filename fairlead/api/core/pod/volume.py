"""A pod's volumes, and the sources that a node serves by itself."""

from __future__ import annotations

from typing import Annotated

from fairlead.api.core.pod.claim import PersistentVolumeClaimTemplate
from fairlead.api.core.pod.volume_network import (
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
from fairlead.api.core.pod.volume_projected import (
    ConfigMapVolumeSource,
    DownwardAPIVolumeSource,
    ProjectedVolumeSource,
    SecretVolumeSource,
)
from fairlead.api.meta.reference import LocalObjectReference
from fairlead.api.meta.types import Int32, Quantity, Record
from fairlead.machinery.kind import Atomic, Doc, Format, OneOf, Required


class EmptyDirVolumeSource(Record):
    medium: Annotated[str, Doc("Memory to keep it there, else on the node's disk.")] = ""
    mode: Annotated[Int32, Doc("The folder's mode.")] | None = None
    sizeLimit: Annotated[Quantity, Doc("How much it may hold.")] | None = None


class HostPathVolumeSource(Record):
    type: (
        Annotated[
            str,
            OneOf("DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"),
            Doc("What must be there, or is made: such as Directory or Socket; unchecked unless given."),
        ]
        | None
    ) = None
    path: Annotated[str, Required(), Doc("The path on the node.")] = ""


class GitRepoVolumeSource(Record):
    repository: Annotated[str, Doc("The repository's URL.")] = ""
    directory: Annotated[str, Doc("The folder to put it in.")] = ""
    revision: Annotated[str, Doc("The commit to check out.")] = ""


class ImageVolumeSource(Record):
    pullPolicy: Annotated[str, Doc("Always, IfNotPresent or Never.")] = ""
    reference: Annotated[str, Doc("The image's name.")] = ""


class CSIVolumeSource(Record):
    driver: Annotated[str, Required(), Doc("The driver's name.")] = ""
    fsType: Annotated[str, Doc("The file system to mount it as.")] | None = None
    nodePublishSecretRef: (
        Annotated[LocalObjectReference, Atomic(), Doc("The secret that the driver is given.")] | None
    ) = None
    readOnly: Annotated[bool, Doc("Whether it cannot be written to.")] | None = None
    volumeAttributes: Annotated[dict[str, str], Doc("What else the driver is told.")] = {}


class PersistentVolumeClaimVolumeSource(Record):
    claimName: Annotated[str, Required(), Doc("The claim, in the pod's namespace.")] = ""
    readOnly: Annotated[bool, Doc("Whether no container can write to it.")] = False


class EphemeralVolumeSource(Record):
    volumeClaimTemplate: (
        Annotated[PersistentVolumeClaimTemplate, Doc("The claim that is made, and that goes with the pod.")] | None
    ) = None


class Volume(Record):
    name: Annotated[str, Required(), Format("dns-label"), Doc("What mounts call it.")] = ""
    awsElasticBlockStore: Annotated[AWSElasticBlockStoreVolumeSource, Doc("An AWS disk (no longer used).")] | None = (
        None
    )
    azureDisk: Annotated[AzureDiskVolumeSource, Doc("An Azure disk (no longer used).")] | None = None
    azureFile: Annotated[AzureFileVolumeSource, Doc("An Azure share (no longer used).")] | None = None
    cephfs: Annotated[CephFSVolumeSource, Doc("A CephFS tree (no longer used).")] | None = None
    cinder: Annotated[CinderVolumeSource, Doc("An OpenStack disk (no longer used).")] | None = None
    configMap: Annotated[ConfigMapVolumeSource, Doc("Values of a config map, as files.")] | None = None
    csi: Annotated[CSIVolumeSource, Doc("What a storage driver provides.")] | None = None
    downwardAPI: Annotated[DownwardAPIVolumeSource, Doc("Facts about the pod, as files.")] | None = None
    emptyDir: Annotated[EmptyDirVolumeSource, Doc("An empty folder that lives as long as the pod.")] | None = None
    ephemeral: Annotated[EphemeralVolumeSource, Doc("A claim made for this pod.")] | None = None
    fc: Annotated[FCVolumeSource, Doc("A Fibre Channel disk.")] | None = None
    flexVolume: Annotated[FlexVolumeSource, Doc("What a program on the node mounts (deprecated: csi).")] | None = None
    flocker: Annotated[FlockerVolumeSource, Doc("A Flocker dataset (no longer used).")] | None = None
    gcePersistentDisk: Annotated[GCEPersistentDiskVolumeSource, Doc("A Google disk (no longer used).")] | None = None
    gitRepo: Annotated[GitRepoVolumeSource, Doc("A Git repository's files (deprecated).")] | None = None
    glusterfs: Annotated[GlusterfsVolumeSource, Doc("A GlusterFS volume (no longer used).")] | None = None
    hostPath: Annotated[HostPathVolumeSource, Doc("A path of the node.")] | None = None
    image: Annotated[ImageVolumeSource, Doc("The files of an image.")] | None = None
    iscsi: Annotated[ISCSIVolumeSource, Doc("An iSCSI disk.")] | None = None
    nfs: Annotated[NFSVolumeSource, Doc("An NFS share.")] | None = None
    persistentVolumeClaim: Annotated[PersistentVolumeClaimVolumeSource, Doc("What a claim was given.")] | None = None
    photonPersistentDisk: Annotated[PhotonPersistentDiskVolumeSource, Doc("A Photon disk (no longer used).")] | None = (
        None
    )
    portworxVolume: Annotated[PortworxVolumeSource, Doc("A Portworx volume (no longer used).")] | None = None
    projected: Annotated[ProjectedVolumeSource, Doc("Several sources in one folder.")] | None = None
    quobyte: Annotated[QuobyteVolumeSource, Doc("A Quobyte volume (no longer used).")] | None = None
    rbd: Annotated[RBDVolumeSource, Doc("A Ceph block device (no longer used).")] | None = None
    scaleIO: Annotated[ScaleIOVolumeSource, Doc("A ScaleIO volume (no longer used).")] | None = None
    secret: Annotated[SecretVolumeSource, Doc("Values of a secret, as files.")] | None = None
    storageos: Annotated[StorageOSVolumeSource, Doc("A StorageOS volume (no longer used).")] | None = None
    vsphereVolume: Annotated[VsphereVirtualDiskVolumeSource, Doc("A vSphere disk (no longer used).")] | None = None
