"""The origins of persistent volumes. Most differ from those of pods only in the namespace beside a secret's name."""

from typing import Annotated

import msgspec

from fairlead.api.core.pod.volumes.volume import HostPathVolumeSource
from fairlead.api.core.pod.volumes.volume_network import (
    AWSElasticBlockStoreVolumeSource,
    AzureDiskVolumeSource,
    CephFSVolumeSource,
    CinderVolumeSource,
    FCVolumeSource,
    FlexVolumeSource,
    FlockerVolumeSource,
    GCEPersistentDiskVolumeSource,
    ISCSIVolumeSource,
    NFSVolumeSource,
    PhotonPersistentDiskVolumeSource,
    PortworxVolumeSource,
    QuobyteVolumeSource,
    RBDVolumeSource,
    ScaleIOVolumeSource,
    VsphereVirtualDiskVolumeSource,
)
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.meta.types import Record
from fairlead.machinery.kinds.kind import Atomic, Doc


class SecretReference(Record):
    """Reference to a secret of any namespace."""

    name: Annotated[str, Doc("Name of the secret, unique within its namespace.")] = ""
    namespace: Annotated[str, Doc("Namespace of the secret that is referred to.")] = ""


_KeySecret = Annotated[
    SecretReference, Atomic(), Doc("Reference to the secret that holds the key; overrides a key file.")
]
_ChapSecret = Annotated[
    SecretReference, Atomic(), Doc("Reference to the secret that holds the CHAP user and password.")
]
_CredentialSecret = Annotated[SecretReference, Atomic(), Doc("Reference to the secret that holds the credentials.")]
_DriverSecret = Annotated[SecretReference, Atomic(), Doc("Reference to the secret that is passed to the driver.")]


class GlusterfsPersistentVolumeSource(Record):
    """Volume of a Gluster file system."""

    endpoints: Annotated[str, Doc("Name of the Endpoints object that lists the GlusterFS servers.")] = msgspec.field(
        default_factory=str
    )
    endpointsNamespace: (
        Annotated[str, Doc("Namespace of the Endpoints object; default: the namespace of the claim.")] | None
    ) = None
    path: Annotated[str, Doc("Name of the GlusterFS volume that is mounted.")] = msgspec.field(default_factory=str)
    readOnly: Annotated[bool, Doc("Set to true to mount the volume read-only; default false.")] = False


class RBDPersistentVolumeSource(RBDVolumeSource):
    """Block device image in a Ceph cluster (RADOS block device)."""

    secretRef: _KeySecret | None = None  # type: ignore[assignment]


class CephFSPersistentVolumeSource(CephFSVolumeSource):
    """Directory of a Ceph file system."""

    secretRef: _KeySecret | None = None  # type: ignore[assignment]


class ISCSIPersistentVolumeSource(ISCSIVolumeSource):
    """Disk that is reached over the network by the iSCSI protocol."""

    secretRef: _ChapSecret | None = None  # type: ignore[assignment]


class CinderPersistentVolumeSource(CinderVolumeSource):
    """Volume of the OpenStack block storage service Cinder."""

    secretRef: _CredentialSecret | None = None  # type: ignore[assignment]


class FlexPersistentVolumeSource(FlexVolumeSource):
    """Volume that a FlexVolume driver installed on the node provides."""

    secretRef: _DriverSecret | None = None  # type: ignore[assignment]


class AzureFilePersistentVolumeSource(Record):
    """File share of Microsoft Azure."""

    readOnly: Annotated[bool, Doc("Set to true to mount the volume read-only; default false.")] = False
    secretName: Annotated[str, Doc("Name of the secret that holds the storage account's name and key.")] = (
        msgspec.field(default_factory=str)
    )
    secretNamespace: (
        Annotated[str, Doc("Namespace of the secret; default: the namespace of the pod that mounts the volume.")] | None
    ) = None
    shareName: Annotated[str, Doc("Name of the Azure file share that is mounted.")] = msgspec.field(default_factory=str)


class ScaleIOPersistentVolumeSource(ScaleIOVolumeSource):
    """Volume of a ScaleIO storage cluster."""

    secretRef: _CredentialSecret | None = None  # type: ignore[assignment]


class LocalVolumeSource(Record):
    """Directory, disk or partition of one node."""

    fsType: (
        Annotated[str, Doc("Type of the file system on a block device, such as ext4; detected if absent.")] | None
    ) = None
    path: Annotated[str, Doc("Path of the directory or block device on the node.")] = msgspec.field(default_factory=str)


class StorageOSPersistentVolumeSource(Record):
    """Volume of a StorageOS cluster."""

    fsType: Annotated[str, Doc("Type of the file system on the volume, such as ext4 or xfs.")] = ""
    readOnly: Annotated[bool, Doc("Set to true to mount the volume read-only; default false.")] = False
    secretRef: (
        Annotated[ObjectReference, Atomic(), Doc("Reference to the secret that holds the credentials.")] | None
    ) = None
    volumeName: Annotated[str, Doc("Name of the StorageOS volume, unique in its namespace.")] = ""
    volumeNamespace: Annotated[str, Doc("StorageOS namespace of the volume; default: the pod's namespace.")] = ""


class CSIPersistentVolumeSource(Record):
    """Volume that a CSI driver provides."""

    controllerExpandSecretRef: (
        Annotated[SecretReference, Atomic(), Doc("Reference to the secret for requests that enlarge the volume.")]
        | None
    ) = None
    controllerPublishSecretRef: (
        Annotated[SecretReference, Atomic(), Doc("Reference to the secret for requests that attach the volume.")] | None
    ) = None
    driver: Annotated[str, Doc("Name of the CSI driver that provides the volume.")] = msgspec.field(default_factory=str)
    fsType: Annotated[str, Doc("Type of the file system to mount, such as ext4; the driver's default if absent.")] = ""
    nodeExpandSecretRef: (
        Annotated[SecretReference, Atomic(), Doc("Reference to the secret for enlarging the volume on the node.")]
        | None
    ) = None
    nodePublishSecretRef: (
        Annotated[SecretReference, Atomic(), Doc("Reference to the secret for mounting the volume into a pod.")] | None
    ) = None
    nodeStageSecretRef: (
        Annotated[SecretReference, Atomic(), Doc("Reference to the secret for mounting the volume on the node.")] | None
    ) = None
    readOnly: Annotated[bool, Doc("Set to true to attach the volume read-only; default false.")] = False
    volumeAttributes: Annotated[dict[str, str], Doc("Properties of the volume that are passed to the CSI driver.")] = {}
    volumeHandle: Annotated[str, Doc("Name that the CSI driver gave to the volume; immutable.")] = msgspec.field(
        default_factory=str
    )


class PersistentVolumeSource(Record):
    """Origin of a persistent volume, of which exactly one is given."""

    awsElasticBlockStore: (
        Annotated[AWSElasticBlockStoreVolumeSource, Doc("Disk of Amazon's Elastic Block Store.")] | None
    ) = None
    azureDisk: Annotated[AzureDiskVolumeSource, Doc("Data disk of Microsoft Azure.")] | None = None
    azureFile: Annotated[AzureFilePersistentVolumeSource, Doc("File share of Microsoft Azure.")] | None = None
    cephfs: Annotated[CephFSPersistentVolumeSource, Doc("Directory of a Ceph file system.")] | None = None
    cinder: (
        Annotated[CinderPersistentVolumeSource, Doc("Volume of the OpenStack block storage service Cinder.")] | None
    ) = None
    csi: Annotated[CSIPersistentVolumeSource, Doc("Volume that a CSI driver provides.")] | None = None
    fc: Annotated[FCVolumeSource, Doc("Disk that is reached over a Fibre Channel network.")] | None = None
    flexVolume: (
        Annotated[FlexPersistentVolumeSource, Doc("Volume that a FlexVolume driver installed on the node provides.")]
        | None
    ) = None
    flocker: Annotated[FlockerVolumeSource, Doc("Data set that the Flocker agent on the node manages.")] | None = None
    gcePersistentDisk: (
        Annotated[GCEPersistentDiskVolumeSource, Doc("Persistent disk of Google Compute Engine.")] | None
    ) = None
    glusterfs: Annotated[GlusterfsPersistentVolumeSource, Doc("Volume of a Gluster file system.")] | None = None
    hostPath: (
        Annotated[HostPathVolumeSource, Doc("Directory of the node, for tests on a cluster of one node.")] | None
    ) = None
    iscsi: (
        Annotated[ISCSIPersistentVolumeSource, Doc("Disk that is reached over the network by the iSCSI protocol.")]
        | None
    ) = None
    local: Annotated[LocalVolumeSource, Doc("Directory, disk or partition of one node; needs nodeAffinity.")] | None = (
        None
    )
    nfs: Annotated[NFSVolumeSource, Doc("Directory that an NFS server exports.")] | None = None
    photonPersistentDisk: (
        Annotated[PhotonPersistentDiskVolumeSource, Doc("Persistent disk of the VMware Photon Controller.")] | None
    ) = None
    portworxVolume: Annotated[PortworxVolumeSource, Doc("Volume of a Portworx storage cluster.")] | None = None
    quobyte: Annotated[QuobyteVolumeSource, Doc("Volume of a Quobyte storage cluster.")] | None = None
    rbd: (
        Annotated[RBDPersistentVolumeSource, Doc("Block device image in a Ceph cluster (RADOS block device).")] | None
    ) = None
    scaleIO: Annotated[ScaleIOPersistentVolumeSource, Doc("Volume of a ScaleIO storage cluster.")] | None = None
    storageos: Annotated[StorageOSPersistentVolumeSource, Doc("Volume of a StorageOS cluster.")] | None = None
    vsphereVolume: (
        Annotated[VsphereVirtualDiskVolumeSource, Doc("Virtual disk of VMware vSphere, attached to the node.")] | None
    ) = None


SOURCES = (
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
)
"""The origins in the order in which upstream looks for them."""
