"""Volumes with files from the API: ConfigMap, Secret, downward API, projected."""

from typing import Annotated

from fairlead.api.core.pod.containers.env import ObjectFieldSelector, ResourceFieldSelector
from fairlead.api.meta.types import Int32, Int64, LabelSelector, Record
from fairlead.machinery.kinds.kind import Atomic, Doc, Required


class KeyToPath(Record):
    """File of a volume that holds the value of one key of a config map or secret."""

    key: Annotated[str, Required(), Doc("Key whose value becomes the contents of the file.")] = ""
    path: Annotated[str, Required(), Doc("Path of the file relative to the volume's root; may not contain `..`.")] = ""
    mode: Annotated[Int32, Doc("Permission bits of the file; default: the volume's defaultMode.")] | None = None
    user: (
        Annotated[
            Int64,
            Doc(
                "Numeric id of the user that owns the file; default: the volume's user. Fairlead's nodes ignore "
                "the field."
            ),
        ]
        | None
    ) = None


class ConfigMapVolumeSource(Record):
    """Files of a volume, one for each key of a config map."""

    name: Annotated[str, Doc("Name of the config map, in the pod's namespace.")] = ""
    defaultMode: Annotated[Int32, Doc("Permission bits of files that do not set `mode`; default 0644.")] | None = None
    defaultUser: (
        Annotated[
            Int64,
            Doc("Numeric id of the user that owns the files that do not set `user`; ignored by Fairlead's nodes."),
        ]
        | None
    ) = None
    items: Annotated[
        list[KeyToPath], Atomic(), Doc("Keys to project and paths of their files; all keys if empty.")
    ] = []
    optional: (
        Annotated[bool, Doc("Set to true to start the pod even if the object or the key is missing; default false.")]
        | None
    ) = None


class SecretVolumeSource(Record):
    """Files of a volume, one for each key of a secret."""

    defaultMode: Annotated[Int32, Doc("Permission bits of files that do not set `mode`; default 0644.")] | None = None
    defaultUser: (
        Annotated[
            Int64,
            Doc("Numeric id of the user that owns the files that do not set `user`; ignored by Fairlead's nodes."),
        ]
        | None
    ) = None
    items: Annotated[
        list[KeyToPath], Atomic(), Doc("Keys to project and paths of their files; all keys if empty.")
    ] = []
    optional: (
        Annotated[bool, Doc("Set to true to start the pod even if the object or the key is missing; default false.")]
        | None
    ) = None
    secretName: Annotated[str, Doc("Name of the secret, in the pod's namespace.")] = ""


class DownwardAPIVolumeFile(Record):
    """File of a volume that holds a field of the pod or a resource amount of a container."""

    path: Annotated[str, Doc("Path of the file relative to the volume's root; may not contain `..`.")] = ""
    fieldRef: (
        Annotated[
            ObjectFieldSelector,
            Atomic(),
            Doc("Field of the pod that the file holds; mutually exclusive with resourceFieldRef."),
        ]
        | None
    ) = None
    mode: Annotated[Int32, Doc("Permission bits of the file; default: the volume's defaultMode.")] | None = None
    resourceFieldRef: (
        Annotated[ResourceFieldSelector, Atomic(), Doc("Request or limit of a container that the file holds.")] | None
    ) = None
    user: (
        Annotated[
            Int64,
            Doc(
                "Numeric id of the user that owns the file; default: the volume's user. Fairlead's nodes ignore "
                "the field."
            ),
        ]
        | None
    ) = None


class DownwardAPIVolumeSource(Record):
    """Files of a volume that hold fields of the pod and resource amounts of its containers."""

    defaultMode: Annotated[Int32, Doc("Permission bits of files that do not set `mode`; default 0644.")] | None = None
    defaultUser: (
        Annotated[
            Int64,
            Doc("Numeric id of the user that owns the files that do not set `user`; ignored by Fairlead's nodes."),
        ]
        | None
    ) = None
    items: Annotated[
        list[DownwardAPIVolumeFile],
        Atomic(),
        Doc("Files of the volume and the pod fields or resources that they hold."),
    ] = []


class ConfigMapProjection(Record):
    """Files for the keys of a config map, as one part of a projected volume."""

    name: Annotated[str, Doc("Name of the config map, in the pod's namespace.")] = ""
    items: Annotated[
        list[KeyToPath], Atomic(), Doc("Keys to project and paths of their files; all keys if empty.")
    ] = []
    optional: (
        Annotated[bool, Doc("Set to true to start the pod even if the object or the key is missing; default false.")]
        | None
    ) = None


class SecretProjection(Record):
    """Files for the keys of a secret, as one part of a projected volume."""

    name: Annotated[str, Doc("Name of the secret, in the pod's namespace.")] = ""
    items: Annotated[
        list[KeyToPath], Atomic(), Doc("Keys to project and paths of their files; all keys if empty.")
    ] = []
    optional: (
        Annotated[bool, Doc("Set to true to start the pod even if the object or the key is missing; default false.")]
        | None
    ) = None


class DownwardAPIProjection(Record):
    """Files with fields of the pod, as one part of a projected volume."""

    items: Annotated[
        list[DownwardAPIVolumeFile],
        Atomic(),
        Doc("Files of the projection and the pod fields or resources that they hold."),
    ] = []


class ServiceAccountTokenProjection(Record):
    """File with a token of the pod's service account, renewed before the token expires."""

    path: Annotated[str, Doc("Path of the file relative to the volume's root; may not contain `..`.")] = ""
    audience: Annotated[
        str, Doc("Intended recipient of the token, which must refuse other audiences; default: the API server.")
    ] = ""
    expirationSeconds: (
        Annotated[
            Int64,
            Doc(
                "Requested lifetime of the token in seconds; default 3600, minimum 600. The token is renewed "
                "before it expires."
            ),
        ]
        | None
    ) = None
    user: (
        Annotated[
            Int64,
            Doc(
                "Numeric id of the user that owns the file; default: the volume's user. Fairlead's nodes ignore "
                "the field."
            ),
        ]
        | None
    ) = None


class ClusterTrustBundleProjection(Record):
    """File with the certificates of selected ClusterTrustBundle objects, in PEM format."""

    name: (
        Annotated[str, Doc("Name of one ClusterTrustBundle; mutually exclusive with signerName and labelSelector.")]
        | None
    ) = None
    path: Annotated[str, Doc("Path of the file relative to the volume's root; may not contain `..`.")] = ""
    labelSelector: (
        Annotated[
            LabelSelector,
            Atomic(),
            Doc("Label selector of the signer's bundles; requires signerName, no bundles if absent."),
        ]
        | None
    ) = None
    optional: (
        Annotated[bool, Doc("Set to true to start the pod even if the bundles are missing; default false.")] | None
    ) = None
    signerName: (
        Annotated[str, Doc("Name of the signer whose bundles are projected; mutually exclusive with `name`.")] | None
    ) = None
    user: Annotated[Int64, Doc("Numeric id of the user that owns the file; default: the volume's user.")] | None = None


class PodCertificateProjection(Record):
    """Files with a private key and a certificate issued for the pod, both renewed in time."""

    keyType: Annotated[str, Doc("Type of the private key to generate, such as ECDSAP256 or ED25519.")] = ""
    signerName: Annotated[str, Doc("Name of the signer that issues the certificate.")] = ""
    certificateChainPath: Annotated[
        str, Doc("Path of the file that receives the certificate chain without the key.")
    ] = ""
    credentialBundlePath: Annotated[
        str, Doc("Path of the file that receives the private key and the certificate chain.")
    ] = ""
    keyPath: Annotated[str, Doc("Path of the file that receives the private key alone.")] = ""
    maxExpirationSeconds: (
        Annotated[Int32, Doc("Maximum lifetime of the certificate in seconds; default 86400.")] | None
    ) = None
    user: Annotated[Int64, Doc("Numeric id of the user that owns the file; default: the volume's user.")] | None = None
    userAnnotations: Annotated[dict[str, str], Doc("Keys and values that are passed to the signer.")] = {}


class VolumeProjection(Record):
    """One part of a projected volume; exactly one source may be set."""

    clusterTrustBundle: (
        Annotated[
            ClusterTrustBundleProjection,
            Doc("Trust anchors (CA certificates) from ClusterTrustBundle objects, as one file."),
        ]
        | None
    ) = None
    configMap: Annotated[ConfigMapProjection, Doc("Keys of a config map as files.")] | None = None
    downwardAPI: (
        Annotated[DownwardAPIProjection, Doc("Fields of the pod and resources of its containers as files.")] | None
    ) = None
    podCertificate: (
        Annotated[
            PodCertificateProjection, Doc("Private key and certificate that a signer issues for the pod, as files.")
        ]
        | None
    ) = None
    secret: Annotated[SecretProjection, Doc("Keys of a secret as files.")] | None = None
    serviceAccountToken: (
        Annotated[ServiceAccountTokenProjection, Doc("Token of the pod's service account, as a file.")] | None
    ) = None


class ProjectedVolumeSource(Record):
    """Volume that combines files from several sources in one directory."""

    defaultMode: Annotated[Int32, Doc("Permission bits of files that do not set `mode`; default 0644.")] | None = None
    defaultUser: (
        Annotated[
            Int64,
            Doc("Numeric id of the user that owns the files that do not set `user`; ignored by Fairlead's nodes."),
        ]
        | None
    ) = None
    sources: Annotated[
        list[VolumeProjection], Atomic(), Doc("Sources whose files are combined in the volume's directory.")
    ] = []
