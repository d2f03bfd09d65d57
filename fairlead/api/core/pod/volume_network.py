"""Volumes on disks and file servers elsewhere. Accepted and kept; no node here mounts them."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.meta.reference import LocalObjectReference
from fairlead.api.meta.types import Int32, Record, Strings
from fairlead.machinery.kind import Atomic, Doc, Required


class NFSVolumeSource(Record):
    path: Annotated[str, Required(), Doc("The path that the server exports.")] = ""
    server: Annotated[str, Required(), Doc("The server.")] = ""
    readOnly: Annotated[bool, Doc("Whether it cannot be written to.")] = False


class ISCSIVolumeSource(Record):
    iqn: Annotated[str, Doc("The target's name.")] = ""
    lun: Annotated[Int32, Doc("The unit's number there.")] = msgspec.field(default_factory=int)
    targetPortal: Annotated[str, Doc("The target's address, with its port unless 3260.")] = ""
    chapAuthDiscovery: Annotated[bool, Doc("Whether finding targets takes signing in.")] = False
    chapAuthSession: Annotated[bool, Doc("Whether using them takes signing in.")] = False
    fsType: Annotated[str, Doc("The file system to mount it as.")] = ""
    initiatorName: Annotated[str, Doc("What the node calls itself.")] | None = None
    iscsiInterface: Annotated[str, Doc("The interface to use.")] = ""
    portals: Annotated[Strings, Doc("Further addresses of the target.")] = []
    readOnly: Annotated[bool, Doc("Whether it cannot be written to.")] = False
    secretRef: Annotated[LocalObjectReference, Atomic(), Doc("The secret that holds user and password.")] | None = None


class FCVolumeSource(Record):
    fsType: Annotated[str, Doc("The file system to mount it as.")] = ""
    lun: Annotated[Int32, Doc("The unit's number at its targets.")] | None = None
    readOnly: Annotated[bool, Doc("Whether it cannot be written to.")] = False
    targetWWNs: Annotated[Strings, Doc("The targets' world-wide names.")] = []
    wwids: Annotated[Strings, Doc("The disk's world-wide ids, in place of targets and number.")] = []


class RBDVolumeSource(Record):
    image: Annotated[str, Doc("The image.")] = ""
    monitors: Annotated[Strings, Doc("The Ceph monitors' addresses.")] = []
    fsType: Annotated[str, Doc("The file system to mount it as.")] = ""
    keyring: Annotated[str, Doc("The file on the node that holds the key.")] = ""
    pool: Annotated[str, Doc("The pool that the image is in.")] = ""
    readOnly: Annotated[bool, Doc("Whether it cannot be written to.")] = False
    secretRef: Annotated[LocalObjectReference, Atomic(), Doc("The secret that holds the key.")] | None = None
    user: Annotated[str, Doc("The user to sign in as.")] = ""


class CephFSVolumeSource(Record):
    monitors: Annotated[Strings, Doc("The Ceph monitors' addresses.")] = []
    path: Annotated[str, Doc("The part of the tree to mount.")] = ""
    readOnly: Annotated[bool, Doc("Whether it cannot be written to.")] = False
    secretFile: Annotated[str, Doc("The file on the node that holds the key.")] = ""
    secretRef: Annotated[LocalObjectReference, Atomic(), Doc("The secret that holds the key.")] | None = None
    user: Annotated[str, Doc("The user to sign in as.")] = ""


class GlusterfsVolumeSource(Record):
    endpoints: Annotated[str, Doc("The Endpoints object that lists the servers.")] = ""
    path: Annotated[str, Doc("The volume.")] = ""
    readOnly: Annotated[bool, Doc("Whether it cannot be written to.")] = False


class CinderVolumeSource(Record):
    volumeID: Annotated[str, Doc("The disk.")] = ""
    fsType: Annotated[str, Doc("The file system to mount it as.")] = ""
    readOnly: Annotated[bool, Doc("Whether it cannot be written to.")] = False
    secretRef: Annotated[LocalObjectReference, Atomic(), Doc("The secret to sign in with.")] | None = None


class AWSElasticBlockStoreVolumeSource(Record):
    volumeID: Annotated[str, Doc("The disk.")] = ""
    fsType: Annotated[str, Doc("The file system to mount it as.")] = ""
    partition: Annotated[Int32, Doc("The partition; 0 is the whole disk.")] = 0
    readOnly: Annotated[bool, Doc("Whether it cannot be written to.")] = False


class GCEPersistentDiskVolumeSource(Record):
    pdName: Annotated[str, Doc("The disk.")] = ""
    fsType: Annotated[str, Doc("The file system to mount it as.")] = ""
    partition: Annotated[Int32, Doc("The partition; 0 is the whole disk.")] = 0
    readOnly: Annotated[bool, Doc("Whether it cannot be written to.")] = False


class AzureDiskVolumeSource(Record):
    diskName: Annotated[str, Doc("The disk's name.")] = ""
    diskURI: Annotated[str, Doc("Where the disk is kept.")] = ""
    cachingMode: Annotated[str, Doc("How the node caches it: None, ReadOnly or ReadWrite.")] | None = None
    fsType: Annotated[str, Doc("The file system to mount it as.")] | None = None
    kind: Annotated[str, Doc("Shared, Dedicated or Managed.")] | None = None
    readOnly: Annotated[bool, Doc("Whether it cannot be written to.")] | None = None


class AzureFileVolumeSource(Record):
    secretName: Annotated[str, Doc("The secret to sign in with.")] = ""
    shareName: Annotated[str, Doc("The share.")] = ""
    readOnly: Annotated[bool, Doc("Whether it cannot be written to.")] = False


class VsphereVirtualDiskVolumeSource(Record):
    volumePath: Annotated[str, Doc("Where the disk is.")] = ""
    fsType: Annotated[str, Doc("The file system to mount it as.")] = ""
    storagePolicyID: Annotated[str, Doc("The id of its storage policy.")] = ""
    storagePolicyName: Annotated[str, Doc("The name of its storage policy.")] = ""


class PhotonPersistentDiskVolumeSource(Record):
    pdID: Annotated[str, Doc("The disk.")] = ""
    fsType: Annotated[str, Doc("The file system to mount it as.")] = ""


class PortworxVolumeSource(Record):
    volumeID: Annotated[str, Doc("The volume.")] = ""
    fsType: Annotated[str, Doc("The file system to mount it as.")] = ""
    readOnly: Annotated[bool, Doc("Whether it cannot be written to.")] = False


class QuobyteVolumeSource(Record):
    registry: Annotated[str, Doc("The registries' addresses, each with its port.")] = ""
    volume: Annotated[str, Doc("The volume's name.")] = ""
    group: Annotated[str, Doc("The group to use it as.")] = ""
    readOnly: Annotated[bool, Doc("Whether it cannot be written to.")] = False
    tenant: Annotated[str, Doc("Whose volume it is.")] = ""
    user: Annotated[str, Doc("The user to use it as.")] = ""


class ScaleIOVolumeSource(Record):
    gateway: Annotated[str, Doc("The gateway's address.")] = ""
    secretRef: Annotated[LocalObjectReference, Atomic(), Doc("The secret to sign in with.")] | None = None
    system: Annotated[str, Doc("The system's name.")] = ""
    fsType: Annotated[str, Doc("The file system to mount it as.")] = ""
    protectionDomain: Annotated[str, Doc("The protection domain.")] = ""
    readOnly: Annotated[bool, Doc("Whether it cannot be written to.")] = False
    sslEnabled: Annotated[bool, Doc("Whether the gateway is spoken to over TLS.")] = False
    storageMode: Annotated[str, Doc("ThickProvisioned or ThinProvisioned.")] = ""
    storagePool: Annotated[str, Doc("The pool.")] = ""
    volumeName: Annotated[str, Doc("The volume.")] = ""


class StorageOSVolumeSource(Record):
    fsType: Annotated[str, Doc("The file system to mount it as.")] = ""
    readOnly: Annotated[bool, Doc("Whether it cannot be written to.")] = False
    secretRef: Annotated[LocalObjectReference, Atomic(), Doc("The secret to sign in with.")] | None = None
    volumeName: Annotated[str, Doc("The volume.")] = ""
    volumeNamespace: Annotated[str, Doc("The volume's namespace; the pod's unless given.")] = ""


class FlockerVolumeSource(Record):
    datasetName: Annotated[str, Doc("The dataset's name.")] = ""
    datasetUUID: Annotated[str, Doc("Or its id.")] = ""


class FlexVolumeSource(Record):
    driver: Annotated[str, Doc("The program.")] = ""
    fsType: Annotated[str, Doc("The file system to mount it as.")] = ""
    options: Annotated[dict[str, str], Doc("What else it is told.")] = {}
    readOnly: Annotated[bool, Doc("Whether it cannot be written to.")] = False
    secretRef: Annotated[LocalObjectReference, Atomic(), Doc("The secret that it is given.")] | None = None
