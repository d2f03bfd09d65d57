"""Volumes whose files come from the API: ConfigMap, Secret, downward API, projected."""

from __future__ import annotations

from typing import Annotated

from fairlead.api.env import ObjectFieldSelector, ResourceFieldSelector
from fairlead.api.meta import Int32, Int64, LabelSelector, Record
from fairlead.machinery.kind import Atomic, Doc, Required


class KeyToPath(Record):
    key: Annotated[str, Required(), Doc("The value.")] = ""
    path: Annotated[str, Required(), Doc("What the file is called.")] = ""
    mode: Annotated[Int32, Doc("The file's mode.")] | None = None
    user: Int64 | None = None


class ConfigMapVolumeSource(Record):
    name: Annotated[str, Doc("Its name.")] = ""
    defaultMode: Annotated[Int32, Doc("The files' mode.")] | None = None
    defaultUser: Int64 | None = None
    items: Annotated[list[KeyToPath], Atomic(), Doc("Which values, and what the files are called.")] = []
    optional: Annotated[bool, Doc("Whether it may be missing.")] | None = None


class SecretVolumeSource(Record):
    defaultMode: Annotated[Int32, Doc("The files' mode.")] | None = None
    defaultUser: Int64 | None = None
    items: Annotated[list[KeyToPath], Atomic(), Doc("Which values, and what the files are called.")] = []
    optional: Annotated[bool, Doc("Whether it may be missing.")] | None = None
    secretName: Annotated[str, Doc("Its name.")] = ""


class DownwardAPIVolumeFile(Record):
    path: Annotated[str, Doc("What the file is called.")] = ""
    fieldRef: Annotated[ObjectFieldSelector, Atomic(), Doc("A field of the pod.")] | None = None
    mode: Annotated[Int32, Doc("The file's mode.")] | None = None
    resourceFieldRef: Annotated[ResourceFieldSelector, Atomic(), Doc("What a container asks for.")] | None = None
    user: Int64 | None = None


class DownwardAPIVolumeSource(Record):
    defaultMode: Int32 | None = None
    defaultUser: Int64 | None = None
    items: Annotated[list[DownwardAPIVolumeFile], Atomic()] = []


class ConfigMapProjection(Record):
    name: str = ""
    items: Annotated[list[KeyToPath], Atomic()] = []
    optional: bool | None = None


class SecretProjection(Record):
    name: str = ""
    items: Annotated[list[KeyToPath], Atomic()] = []
    optional: bool | None = None


class DownwardAPIProjection(Record):
    items: Annotated[list[DownwardAPIVolumeFile], Atomic()] = []


class ServiceAccountTokenProjection(Record):
    path: Annotated[str, Doc("What the file is called.")] = ""
    audience: Annotated[str, Doc("Whom the token is for.")] = ""
    expirationSeconds: Annotated[Int64, Doc("For how long it is good.")] | None = None
    user: Int64 | None = None


class ClusterTrustBundleProjection(Record):
    name: str | None = None
    path: str = ""
    labelSelector: Annotated[LabelSelector, Atomic()] | None = None
    optional: bool | None = None
    signerName: str | None = None
    user: Int64 | None = None


class PodCertificateProjection(Record):
    keyType: str = ""
    signerName: str = ""
    certificateChainPath: str = ""
    credentialBundlePath: str = ""
    keyPath: str = ""
    maxExpirationSeconds: Int32 | None = None
    user: Int64 | None = None
    userAnnotations: dict[str, str] = {}


class VolumeProjection(Record):
    clusterTrustBundle: ClusterTrustBundleProjection | None = None
    configMap: ConfigMapProjection | None = None
    downwardAPI: DownwardAPIProjection | None = None
    podCertificate: PodCertificateProjection | None = None
    secret: SecretProjection | None = None
    serviceAccountToken: ServiceAccountTokenProjection | None = None


class ProjectedVolumeSource(Record):
    defaultMode: Annotated[Int32, Doc("The files' mode.")] | None = None
    defaultUser: Int64 | None = None
    sources: Annotated[list[VolumeProjection], Atomic(), Doc("What it is made of.")] = []
