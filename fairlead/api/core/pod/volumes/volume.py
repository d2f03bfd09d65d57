"""Volumes of a pod, and the sources that need no external storage."""

from typing import Annotated

from fairlead.api.core.pod.volumes.claim import PersistentVolumeClaimTemplate
from fairlead.api.core.pod.volumes.volume_network import (
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
from fairlead.api.core.pod.volumes.volume_projected import (
    ConfigMapVolumeSource,
    DownwardAPIVolumeSource,
    ProjectedVolumeSource,
    SecretVolumeSource,
)
from fairlead.api.meta.reference import LocalObjectReference
from fairlead.api.meta.types import Int32, Quantity, Record
from fairlead.machinery.kinds.kind import Atomic, Doc, Format, OneOf, Required


class EmptyDirVolumeSource(Record):
    """Empty directory that is created with the pod and deleted with it."""

    medium: Annotated[
        str,
        Doc(
            "Storage medium of the directory: empty for the node's disk, Memory for a tmpfs, or HugePages "
            "(ignored by Fairlead's nodes)."
        ),
    ] = ""
    mode: Annotated[Int32, Doc("Permission bits of the directory; ignored by Fairlead's nodes.")] | None = None
    sizeLimit: (
        Annotated[
            Quantity,
            Doc(
                "Maximum size of the directory's contents; unlimited if absent. A pod that writes more to the disk "
                "is evicted."
            ),
        ]
        | None
    ) = None


class HostPathVolumeSource(Record):
    """File or directory of the node that is mounted into the pod."""

    type: (
        Annotated[
            str,
            OneOf("DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"),
            Doc(
                "Required type of the path, such as Directory or Socket; DirectoryOrCreate and FileOrCreate "
                "create it. Empty: no check."
            ),
        ]
        | None
    ) = None
    path: Annotated[str, Required(), Doc("Path of the file or directory on the node.")] = ""


class GitRepoVolumeSource(Record):
    """Directory with a clone of a git repository; deprecated."""

    repository: Annotated[str, Doc("URL of the Git repository.")] = ""
    directory: Annotated[
        str, Doc("Directory of the volume that the repository is cloned into; may not contain `..`.")
    ] = ""
    revision: Annotated[str, Doc("Commit hash of the revision to check out.")] = ""


class ImageVolumeSource(Record):
    """Files of a container image, mounted as a read-only volume."""

    pullPolicy: Annotated[
        str,
        Doc("Time of image pulls: Always (default for tag latest), IfNotPresent (default for other tags) or Never."),
    ] = ""
    reference: Annotated[str, Doc("Name of the image whose files the volume holds.")] = ""


class CSIVolumeSource(Record):
    """Volume that a CSI driver creates for the lifetime of the pod."""

    driver: Annotated[str, Required(), Doc("Name of the CSI driver that provides the volume.")] = ""
    fsType: (
        Annotated[str, Doc("Type of the file system to mount, such as ext4; the driver's default if absent.")] | None
    ) = None
    nodePublishSecretRef: (
        Annotated[LocalObjectReference, Atomic(), Doc("Reference to the secret with credentials for the CSI driver.")]
        | None
    ) = None
    readOnly: Annotated[bool, Doc("Set to true to mount the volume read-only; default false.")] | None = None
    volumeAttributes: Annotated[dict[str, str], Doc("Properties of the volume that are passed to the CSI driver.")] = {}


class PersistentVolumeClaimVolumeSource(Record):
    """Reference to a claim in the pod's namespace whose volume is mounted."""

    claimName: Annotated[str, Required(), Doc("Name of the claim, in the pod's namespace.")] = ""
    readOnly: Annotated[bool, Doc("Set to true to mount the volume read-only in every container; default false.")] = (
        False
    )


class EphemeralVolumeSource(Record):
    """Volume from a claim that is created and deleted together with the pod."""

    volumeClaimTemplate: (
        Annotated[
            PersistentVolumeClaimTemplate,
            Doc("Template of the claim that is created with the pod and deleted with it."),
        ]
        | None
    ) = None


class Volume(Record):
    """Directory or device of a pod that its containers can mount; exactly one source may be set."""

    name: Annotated[
        str,
        Required(),
        Format("dns-label"),
        Doc("Name of the volume, a DNS label unique in the pod, which mounts refer to."),
    ] = ""
    awsElasticBlockStore: (
        Annotated[AWSElasticBlockStoreVolumeSource, Doc("AWS Elastic Block Store disk; deprecated and not supported.")]
        | None
    ) = None
    azureDisk: Annotated[AzureDiskVolumeSource, Doc("Azure data disk; deprecated and not supported.")] | None = None
    azureFile: Annotated[AzureFileVolumeSource, Doc("Azure file share; deprecated and not supported.")] | None = None
    cephfs: Annotated[CephFSVolumeSource, Doc("CephFS file system; deprecated and not supported.")] | None = None
    cinder: Annotated[CinderVolumeSource, Doc("OpenStack Cinder disk; deprecated and not supported.")] | None = None
    configMap: Annotated[ConfigMapVolumeSource, Doc("Keys of a config map as files.")] | None = None
    csi: (
        Annotated[
            CSIVolumeSource,
            Doc("Volume that a CSI storage driver provides with the pod; not supported by Fairlead's nodes."),
        ]
        | None
    ) = None
    downwardAPI: (
        Annotated[DownwardAPIVolumeSource, Doc("Fields of the pod and resources of its containers as files.")] | None
    ) = None
    emptyDir: (
        Annotated[EmptyDirVolumeSource, Doc("Directory that starts empty and is deleted with the pod.")] | None
    ) = None
    ephemeral: (
        Annotated[
            EphemeralVolumeSource,
            Doc("Persistent volume claim created and deleted with the pod; not supported by Fairlead's nodes."),
        ]
        | None
    ) = None
    fc: (
        Annotated[
            FCVolumeSource, Doc("Fibre Channel disk that is attached to the node; not supported by Fairlead's nodes.")
        ]
        | None
    ) = None
    flexVolume: (
        Annotated[FlexVolumeSource, Doc("Volume that an executable on the node mounts; deprecated and not supported.")]
        | None
    ) = None
    flocker: Annotated[FlockerVolumeSource, Doc("Flocker dataset; deprecated and not supported.")] | None = None
    gcePersistentDisk: (
        Annotated[
            GCEPersistentDiskVolumeSource, Doc("Google Compute Engine persistent disk; deprecated and not supported.")
        ]
        | None
    ) = None
    gitRepo: Annotated[GitRepoVolumeSource, Doc("Clone of a Git repository; deprecated and not supported.")] | None = (
        None
    )
    glusterfs: Annotated[GlusterfsVolumeSource, Doc("GlusterFS volume; deprecated and not supported.")] | None = None
    hostPath: Annotated[HostPathVolumeSource, Doc("File or directory of the node.")] | None = None
    image: (
        Annotated[ImageVolumeSource, Doc("Files of a container image, mounted read-only and without execution.")] | None
    ) = None
    iscsi: (
        Annotated[
            ISCSIVolumeSource,
            Doc("Disk of an iSCSI target that is attached to the node; not supported by Fairlead's nodes."),
        ]
        | None
    ) = None
    nfs: (
        Annotated[NFSVolumeSource, Doc("Directory that an NFS server exports; not supported by Fairlead's nodes.")]
        | None
    ) = None
    persistentVolumeClaim: (
        Annotated[
            PersistentVolumeClaimVolumeSource,
            Doc("Volume that is bound to a persistent volume claim; not supported by Fairlead's nodes."),
        ]
        | None
    ) = None
    photonPersistentDisk: (
        Annotated[PhotonPersistentDiskVolumeSource, Doc("Photon Controller disk; deprecated and not supported.")] | None
    ) = None
    portworxVolume: Annotated[PortworxVolumeSource, Doc("Portworx volume; deprecated and not supported.")] | None = None
    projected: (
        Annotated[
            ProjectedVolumeSource, Doc("Several sources (secrets, config maps, tokens, pod fields) in one directory.")
        ]
        | None
    ) = None
    quobyte: Annotated[QuobyteVolumeSource, Doc("Quobyte volume; deprecated and not supported.")] | None = None
    rbd: Annotated[RBDVolumeSource, Doc("Ceph RADOS block device; deprecated and not supported.")] | None = None
    scaleIO: Annotated[ScaleIOVolumeSource, Doc("ScaleIO volume; deprecated and not supported.")] | None = None
    secret: Annotated[SecretVolumeSource, Doc("Keys of a secret as files.")] | None = None
    storageos: Annotated[StorageOSVolumeSource, Doc("StorageOS volume; deprecated and not supported.")] | None = None
    vsphereVolume: (
        Annotated[VsphereVirtualDiskVolumeSource, Doc("Virtual disk of vSphere; deprecated and not supported.")] | None
    ) = None
