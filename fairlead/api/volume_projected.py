"""Volumes whose files come from the API: ConfigMap, Secret, downward API, projected."""

from __future__ import annotations

from typing import Annotated

from fairlead.api.env import ObjectFieldSelector, ResourceFieldSelector
from fairlead.api.meta import Int32, Int64, LabelSelector, Record
from fairlead.machinery.kind import Atomic, Required


class KeyToPath(Record):
    key: Annotated[str, Required()] = ""
    path: Annotated[str, Required()] = ""
    mode: Int32 | None = None
    user: Int64 | None = None


class ConfigMapVolumeSource(Record):
    name: str = ""
    defaultMode: Int32 | None = None
    defaultUser: Int64 | None = None
    items: Annotated[list[KeyToPath], Atomic()] = []
    optional: bool | None = None


class SecretVolumeSource(Record):
    defaultMode: Int32 | None = None
    defaultUser: Int64 | None = None
    items: Annotated[list[KeyToPath], Atomic()] = []
    optional: bool | None = None
    secretName: str = ""


class DownwardAPIVolumeFile(Record):
    path: str = ""
    fieldRef: Annotated[ObjectFieldSelector, Atomic()] | None = None
    mode: Int32 | None = None
    resourceFieldRef: Annotated[ResourceFieldSelector, Atomic()] | None = None
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
    path: str = ""
    audience: str = ""
    expirationSeconds: Int64 | None = None
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
    defaultMode: Int32 | None = None
    defaultUser: Int64 | None = None
    sources: Annotated[list[VolumeProjection], Atomic()] = []
