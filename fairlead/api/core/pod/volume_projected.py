"""Volumes whose files come from the API: ConfigMap, Secret, downward API, projected."""

from __future__ import annotations

from typing import Annotated

from fairlead.api.core.pod.env import ObjectFieldSelector, ResourceFieldSelector
from fairlead.api.meta.types import Int32, Int64, LabelSelector, Record
from fairlead.machinery.kind import Atomic, Doc, Required


class KeyToPath(Record):
    key: Annotated[str, Required(), Doc("The value.")] = ""
    path: Annotated[str, Required(), Doc("What the file is called.")] = ""
    mode: Annotated[Int32, Doc("The file's mode.")] | None = None
    user: Annotated[Int64, Doc("The user that the file belongs to.")] | None = None


class ConfigMapVolumeSource(Record):
    name: Annotated[str, Doc("Its name.")] = ""
    defaultMode: Annotated[Int32, Doc("The files' mode.")] | None = None
    defaultUser: Annotated[Int64, Doc("The user that the files belong to unless they say their own.")] | None = None
    items: Annotated[list[KeyToPath], Atomic(), Doc("Which values, and what the files are called.")] = []
    optional: Annotated[bool, Doc("Whether it may be missing.")] | None = None


class SecretVolumeSource(Record):
    defaultMode: Annotated[Int32, Doc("The files' mode.")] | None = None
    defaultUser: Annotated[Int64, Doc("The user that the files belong to unless they say their own.")] | None = None
    items: Annotated[list[KeyToPath], Atomic(), Doc("Which values, and what the files are called.")] = []
    optional: Annotated[bool, Doc("Whether it may be missing.")] | None = None
    secretName: Annotated[str, Doc("Its name.")] = ""


class DownwardAPIVolumeFile(Record):
    path: Annotated[str, Doc("What the file is called.")] = ""
    fieldRef: Annotated[ObjectFieldSelector, Atomic(), Doc("A field of the pod.")] | None = None
    mode: Annotated[Int32, Doc("The file's mode.")] | None = None
    resourceFieldRef: Annotated[ResourceFieldSelector, Atomic(), Doc("What a container asks for.")] | None = None
    user: Annotated[Int64, Doc("The user that the file belongs to.")] | None = None


class DownwardAPIVolumeSource(Record):
    defaultMode: Annotated[Int32, Doc("The files' mode unless they say their own.")] | None = None
    defaultUser: Annotated[Int64, Doc("The user that the files belong to unless they say their own.")] | None = None
    items: Annotated[list[DownwardAPIVolumeFile], Atomic(), Doc("Which facts, and what the files are called.")] = []


class ConfigMapProjection(Record):
    name: Annotated[str, Doc("Its name.")] = ""
    items: Annotated[
        list[KeyToPath], Atomic(), Doc("Which values, and what the files are called; all unless given.")
    ] = []
    optional: Annotated[bool, Doc("Whether it may be missing.")] | None = None


class SecretProjection(Record):
    name: Annotated[str, Doc("Its name.")] = ""
    items: Annotated[
        list[KeyToPath], Atomic(), Doc("Which values, and what the files are called; all unless given.")
    ] = []
    optional: Annotated[bool, Doc("Whether it may be missing.")] | None = None


class DownwardAPIProjection(Record):
    items: Annotated[list[DownwardAPIVolumeFile], Atomic(), Doc("Which facts, and what the files are called.")] = []


class ServiceAccountTokenProjection(Record):
    path: Annotated[str, Doc("What the file is called.")] = ""
    audience: Annotated[str, Doc("Whom the token is for.")] = ""
    expirationSeconds: Annotated[Int64, Doc("For how long it is good.")] | None = None
    user: Annotated[Int64, Doc("The user that the file belongs to.")] | None = None


class ClusterTrustBundleProjection(Record):
    name: Annotated[str, Doc("The bundle's name.")] | None = None
    path: Annotated[str, Doc("What the file is called.")] = ""
    labelSelector: Annotated[LabelSelector, Atomic(), Doc("Of a signer's bundles: which, by their labels.")] | None = (
        None
    )
    optional: Annotated[bool, Doc("Whether it may be missing.")] | None = None
    signerName: Annotated[str, Doc("All bundles of this signer, in place of one by name.")] | None = None
    user: Annotated[Int64, Doc("The user that the file belongs to.")] | None = None


class PodCertificateProjection(Record):
    keyType: Annotated[str, Doc("The sort of key to make.")] = ""
    signerName: Annotated[str, Doc("Who is asked to sign.")] = ""
    certificateChainPath: Annotated[str, Doc("The file that gets the certificates alone.")] = ""
    credentialBundlePath: Annotated[str, Doc("The file that gets key and certificates together.")] = ""
    keyPath: Annotated[str, Doc("The file that gets the key alone.")] = ""
    maxExpirationSeconds: Annotated[Int32, Doc("For how long the certificate may be good at most.")] | None = None
    user: Annotated[Int64, Doc("The user that the file belongs to.")] | None = None
    userAnnotations: Annotated[dict[str, str], Doc("What else the signer is told.")] = {}


class VolumeProjection(Record):
    clusterTrustBundle: (
        Annotated[ClusterTrustBundleProjection, Doc("Certificates of authorities that the cluster trusts.")] | None
    ) = None
    configMap: Annotated[ConfigMapProjection, Doc("Values of a config map.")] | None = None
    downwardAPI: Annotated[DownwardAPIProjection, Doc("Facts about the pod.")] | None = None
    podCertificate: Annotated[PodCertificateProjection, Doc("A key and a certificate of the pod's own.")] | None = None
    secret: Annotated[SecretProjection, Doc("Values of a secret.")] | None = None
    serviceAccountToken: (
        Annotated[ServiceAccountTokenProjection, Doc("A token of the pod's service account.")] | None
    ) = None


class ProjectedVolumeSource(Record):
    defaultMode: Annotated[Int32, Doc("The files' mode.")] | None = None
    defaultUser: Annotated[Int64, Doc("The user that the files belong to unless they say their own.")] | None = None
    sources: Annotated[list[VolumeProjection], Atomic(), Doc("What it is made of.")] = []
