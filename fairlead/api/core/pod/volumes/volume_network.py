"""Volumes on disks and file servers. The API stores them; the nodes do not mount them."""

from typing import Annotated

import msgspec

from fairlead.api.meta.reference import LocalObjectReference
from fairlead.api.meta.types import Int32, Record, Strings
from fairlead.machinery.kinds.kind import Atomic, Doc, Required


class NFSVolumeSource(Record):
    """Directory that an NFS server exports, mounted into the pod."""

    path: Annotated[str, Required(), Doc("Path of the directory that the NFS server exports.")] = ""
    server: Annotated[str, Required(), Doc("Host name or IP address of the NFS server.")] = ""
    readOnly: Annotated[bool, Doc("Set to true to mount the volume read-only; default false.")] = False


class ISCSIVolumeSource(Record):
    """Disk that is reached over the network by the iSCSI protocol."""

    iqn: Annotated[str, Doc("Qualified name (IQN) of the iSCSI target.")] = ""
    lun: Annotated[Int32, Doc("Logical unit number at the iSCSI target.")] = msgspec.field(default_factory=int)
    targetPortal: Annotated[str, Doc("Address of the iSCSI target, with an optional port; default port 3260.")] = ""
    chapAuthDiscovery: Annotated[
        bool, Doc("Set to true to authenticate the discovery of targets with CHAP; default false.")
    ] = False
    chapAuthSession: Annotated[bool, Doc("Set to true to authenticate sessions with CHAP; default false.")] = False
    fsType: Annotated[str, Doc("Type of the file system on the volume, such as ext4 or xfs.")] = ""
    initiatorName: (
        Annotated[str, Doc("Qualified name (IQN) of the initiator; default: the name in the node's iSCSI settings.")]
        | None
    ) = None
    iscsiInterface: Annotated[str, Doc("Name of the iSCSI interface (transport); default: default (tcp).")] = ""
    portals: Annotated[Strings, Doc("Further addresses of the iSCSI target, each with an optional port.")] = []
    readOnly: Annotated[bool, Doc("Set to true to mount the volume read-only; default false.")] = False
    secretRef: (
        Annotated[LocalObjectReference, Atomic(), Doc("Reference to the secret that holds the CHAP user and password.")]
        | None
    ) = None


class FCVolumeSource(Record):
    """Disk that is reached over a Fibre Channel network."""

    fsType: Annotated[str, Doc("Type of the file system on the volume, such as ext4 or xfs.")] = ""
    lun: Annotated[Int32, Doc("Logical unit number at the Fibre Channel targets.")] | None = None
    readOnly: Annotated[bool, Doc("Set to true to mount the volume read-only; default false.")] = False
    targetWWNs: Annotated[Strings, Doc("World-wide names of the Fibre Channel targets.")] = []
    wwids: Annotated[
        Strings, Doc("World-wide identifiers of the disk; mutually exclusive with targetWWNs and lun.")
    ] = []


class RBDVolumeSource(Record):
    """Block device image in a Ceph cluster (RADOS block device)."""

    image: Annotated[str, Doc("Name of the RADOS image.")] = ""
    monitors: Annotated[Strings, Doc("Addresses of the Ceph monitors, each with an optional port.")] = []
    fsType: Annotated[str, Doc("Type of the file system on the volume, such as ext4 or xfs.")] = ""
    keyring: Annotated[str, Doc("Path of the key ring on the node; default /etc/ceph/keyring.")] = ""
    pool: Annotated[str, Doc("Name of the pool that holds the image; default rbd.")] = ""
    readOnly: Annotated[bool, Doc("Set to true to mount the volume read-only; default false.")] = False
    secretRef: (
        Annotated[
            LocalObjectReference, Atomic(), Doc("Reference to the secret that holds the key; overrides a key file.")
        ]
        | None
    ) = None
    user: Annotated[str, Doc("Name of the Ceph user; default admin.")] = ""


class CephFSVolumeSource(Record):
    """Directory of a Ceph file system, mounted into the pod."""

    monitors: Annotated[Strings, Doc("Addresses of the Ceph monitors, each with an optional port.")] = []
    path: Annotated[str, Doc("Path of the CephFS directory to mount; default /.")] = ""
    readOnly: Annotated[bool, Doc("Set to true to mount the volume read-only; default false.")] = False
    secretFile: Annotated[
        str, Doc("Path of the file on the node that holds the user's key; default /etc/ceph/user.secret.")
    ] = ""
    secretRef: (
        Annotated[
            LocalObjectReference, Atomic(), Doc("Reference to the secret that holds the key; overrides a key file.")
        ]
        | None
    ) = None
    user: Annotated[str, Doc("Name of the Ceph user; default admin.")] = ""


class GlusterfsVolumeSource(Record):
    """Volume of a Gluster file system, mounted into the pod."""

    endpoints: Annotated[str, Doc("Name of the Endpoints object that lists the GlusterFS servers.")] = ""
    path: Annotated[str, Doc("Name of the GlusterFS volume.")] = ""
    readOnly: Annotated[bool, Doc("Set to true to mount the volume read-only; default false.")] = False


class CinderVolumeSource(Record):
    """Volume of the OpenStack block storage service Cinder."""

    volumeID: Annotated[str, Doc("Identity of the Cinder disk.")] = ""
    fsType: Annotated[str, Doc("Type of the file system on the volume, such as ext4 or xfs.")] = ""
    readOnly: Annotated[bool, Doc("Set to true to mount the volume read-only; default false.")] = False
    secretRef: (
        Annotated[LocalObjectReference, Atomic(), Doc("Reference to the secret that holds the credentials.")] | None
    ) = None


class AWSElasticBlockStoreVolumeSource(Record):
    """Disk of Amazon's Elastic Block Store, attached to the node."""

    volumeID: Annotated[str, Doc("Identity of the Elastic Block Store disk.")] = ""
    fsType: Annotated[str, Doc("Type of the file system on the volume, such as ext4 or xfs.")] = ""
    partition: Annotated[Int32, Doc("Number of the partition to mount; 0 or absent for the whole disk.")] = 0
    readOnly: Annotated[bool, Doc("Set to true to mount the volume read-only; default false.")] = False


class GCEPersistentDiskVolumeSource(Record):
    """Persistent disk of Google Compute Engine, attached to the node."""

    pdName: Annotated[str, Doc("Name of the persistent disk.")] = ""
    fsType: Annotated[str, Doc("Type of the file system on the volume, such as ext4 or xfs.")] = ""
    partition: Annotated[Int32, Doc("Number of the partition to mount; 0 or absent for the whole disk.")] = 0
    readOnly: Annotated[bool, Doc("Set to true to mount the volume read-only; default false.")] = False


class AzureDiskVolumeSource(Record):
    """Data disk of Microsoft Azure, attached to the node."""

    diskName: Annotated[str, Doc("Name of the data disk in the blob storage.")] = ""
    diskURI: Annotated[str, Doc("URI of the data disk in the blob storage.")] = ""
    cachingMode: (
        Annotated[str, Doc("Mode in which the node caches the disk: None, ReadOnly or ReadWrite (default).")] | None
    ) = None
    fsType: Annotated[str, Doc("Type of the file system on the volume, such as ext4 or xfs.")] | None = None
    kind: Annotated[str, Doc("Kind of the disk: Shared (default), Dedicated or Managed.")] | None = None
    readOnly: Annotated[bool, Doc("Set to true to mount the volume read-only; default false.")] | None = None


class AzureFileVolumeSource(Record):
    """File share of Microsoft Azure, mounted into the pod."""

    secretName: Annotated[str, Doc("Name of the secret that holds the storage account's name and key.")] = ""
    shareName: Annotated[str, Doc("Name of the Azure file share.")] = ""
    readOnly: Annotated[bool, Doc("Set to true to mount the volume read-only; default false.")] = False


class VsphereVirtualDiskVolumeSource(Record):
    """Virtual disk of VMware vSphere, attached to the node."""

    volumePath: Annotated[str, Doc("Path of the vSphere virtual disk.")] = ""
    fsType: Annotated[str, Doc("Type of the file system on the volume, such as ext4 or xfs.")] = ""
    storagePolicyID: Annotated[str, Doc("Identity of the storage policy of the disk.")] = ""
    storagePolicyName: Annotated[str, Doc("Name of the storage policy of the disk.")] = ""


class PhotonPersistentDiskVolumeSource(Record):
    """Persistent disk of the VMware Photon Controller, attached to the node."""

    pdID: Annotated[str, Doc("Identity of the Photon Controller disk.")] = ""
    fsType: Annotated[str, Doc("Type of the file system on the volume, such as ext4 or xfs.")] = ""


class PortworxVolumeSource(Record):
    """Volume of a Portworx storage cluster, attached to the node."""

    volumeID: Annotated[str, Doc("Identity of the Portworx volume.")] = ""
    fsType: Annotated[str, Doc("Type of the file system on the volume, such as ext4 or xfs.")] = ""
    readOnly: Annotated[bool, Doc("Set to true to mount the volume read-only; default false.")] = False


class QuobyteVolumeSource(Record):
    """Volume of a Quobyte storage cluster, mounted into the pod."""

    registry: Annotated[str, Doc("Addresses of the Quobyte registries as host:port, separated by commas.")] = ""
    volume: Annotated[str, Doc("Name of the Quobyte volume.")] = ""
    group: Annotated[str, Doc("Group under which the volume is accessed; default: no group.")] = ""
    readOnly: Annotated[bool, Doc("Set to true to mount the volume read-only; default false.")] = False
    tenant: Annotated[str, Doc("Name of the tenant that owns the volume.")] = ""
    user: Annotated[str, Doc("User under which the volume is accessed; default: the service account's user.")] = ""


class ScaleIOVolumeSource(Record):
    """Volume of a ScaleIO storage cluster, attached to the node."""

    gateway: Annotated[str, Doc("Address of the ScaleIO gateway.")] = ""
    secretRef: (
        Annotated[LocalObjectReference, Atomic(), Doc("Reference to the secret that holds the credentials.")] | None
    ) = None
    system: Annotated[str, Doc("Name of the ScaleIO storage system.")] = ""
    fsType: Annotated[str, Doc("Type of the file system on the volume, such as ext4 or xfs.")] = ""
    protectionDomain: Annotated[str, Doc("Name of the ScaleIO protection domain of the storage pool.")] = ""
    readOnly: Annotated[bool, Doc("Set to true to mount the volume read-only; default false.")] = False
    sslEnabled: Annotated[bool, Doc("Set to true to use TLS for requests to the gateway; default false.")] = False
    storageMode: Annotated[str, Doc("Provisioning of the volume: ThickProvisioned or ThinProvisioned (default).")] = ""
    storagePool: Annotated[str, Doc("Name of the storage pool in the protection domain.")] = ""
    volumeName: Annotated[str, Doc("Name of the ScaleIO volume.")] = ""


class StorageOSVolumeSource(Record):
    """Volume of a StorageOS cluster, attached to the node."""

    fsType: Annotated[str, Doc("Type of the file system on the volume, such as ext4 or xfs.")] = ""
    readOnly: Annotated[bool, Doc("Set to true to mount the volume read-only; default false.")] = False
    secretRef: (
        Annotated[LocalObjectReference, Atomic(), Doc("Reference to the secret that holds the credentials.")] | None
    ) = None
    volumeName: Annotated[str, Doc("Name of the StorageOS volume, unique in its namespace.")] = ""
    volumeNamespace: Annotated[str, Doc("StorageOS namespace of the volume; default: the pod's namespace.")] = ""


class FlockerVolumeSource(Record):
    """Data set that the Flocker agent on the node manages."""

    datasetName: Annotated[str, Doc("Name of the Flocker dataset; deprecated in favour of datasetUUID.")] = ""
    datasetUUID: Annotated[str, Doc("UUID of the Flocker dataset; mutually exclusive with datasetName.")] = ""


class FlexVolumeSource(Record):
    """Volume that a FlexVolume driver installed on the node provides."""

    driver: Annotated[str, Doc("Name of the driver's executable on the node.")] = ""
    fsType: Annotated[str, Doc("Type of the file system on the volume, such as ext4 or xfs.")] = ""
    options: Annotated[dict[str, str], Doc("Options that are passed to the driver.")] = {}
    readOnly: Annotated[bool, Doc("Set to true to mount the volume read-only; default false.")] = False
    secretRef: (
        Annotated[LocalObjectReference, Atomic(), Doc("Reference to the secret that is passed to the driver.")] | None
    ) = None
