"""Environment variables of a container: `env` and `envFrom`."""

from typing import Annotated

import msgspec

from fairlead.api.meta.types import Quantity, Record
from fairlead.machinery.kinds.kind import Atomic, Doc, Required


class ConfigMapKeySelector(Record):
    """Reference to one key of a config map in the pod's namespace."""

    name: Annotated[str, Doc("Name of the config map, in the pod's namespace.")] = ""
    key: Annotated[str, Required(), Doc("Key of the config map whose value is used.")] = ""
    optional: (
        Annotated[bool, Doc("Set to true to start the pod even if the object or the key is missing; default false.")]
        | None
    ) = None


class SecretKeySelector(Record):
    """Reference to one key of a secret in the pod's namespace."""

    name: Annotated[str, Doc("Name of the secret, in the pod's namespace.")] = ""
    key: Annotated[str, Required(), Doc("Key of the secret whose value is used.")] = ""
    optional: (
        Annotated[bool, Doc("Set to true to start the pod even if the object or the key is missing; default false.")]
        | None
    ) = None


class FileKeySelector(Record):
    """Reference to one variable in a file of variables on a volume of the pod."""

    key: Annotated[
        str, Required(), Doc("Name of the variable in the file, which holds lines of the form NAME=value.")
    ] = ""
    path: Annotated[str, Doc("Path of the file relative to the volume's root; may not contain `..`.")] = ""
    volumeName: Annotated[str, Doc("Name of the pod's volume that holds the file.")] = ""
    optional: (
        Annotated[
            bool, Doc("Set to true to leave the variable unset if the file or the key is missing; default false.")
        ]
        | None
    ) = None


class ObjectFieldSelector(Record):
    """Reference to a field of the pod itself, such as its name or address."""

    fieldPath: Annotated[str, Required(), Doc("Path of the pod's field, such as metadata.name or status.podIP.")] = ""
    apiVersion: Annotated[str, Doc("API version in which `fieldPath` is written; default v1.")] = ""


class ResourceFieldSelector(Record):
    """Reference to a resource request or limit of a container."""

    resource: Annotated[str, Required(), Doc("Resource to read, such as limits.cpu or requests.memory.")] = ""
    containerName: Annotated[
        str, Doc("Name of the container; required in volumes, default for environment variables: the same container.")
    ] = ""
    divisor: Annotated[Quantity, Doc("Unit in which the amount is given, such as 1m or 1Mi; default 1.")] = (
        msgspec.field(default_factory=lambda: "0")
    )


class EnvVarSource(Record):
    """Source of an environment variable's value; exactly one field may be set."""

    configMapKeyRef: (
        Annotated[ConfigMapKeySelector, Atomic(), Doc("Key of a config map that holds the value.")] | None
    ) = None
    fieldRef: Annotated[ObjectFieldSelector, Atomic(), Doc("Field of the pod that holds the value.")] | None = None
    fileKeyRef: Annotated[FileKeySelector, Atomic(), Doc("Key of a file in a volume that holds the value.")] | None = (
        None
    )
    resourceFieldRef: (
        Annotated[ResourceFieldSelector, Atomic(), Doc("Request or limit of a container that is the value.")] | None
    ) = None
    secretKeyRef: Annotated[SecretKeySelector, Atomic(), Doc("Key of a secret that holds the value.")] | None = None


class EnvVar(Record):
    """Environment variable of a container, with its value or the source of its value."""

    name: Annotated[str, Required(), Doc("Name of the environment variable; may not contain `=`.")] = ""
    value: Annotated[
        str, Doc("Value of the variable; $(NAME) refers to a variable defined before, $$ stands for $.")
    ] = ""
    valueFrom: (
        Annotated[EnvVarSource, Doc("Source of the variable's value; mutually exclusive with a non-empty `value`.")]
        | None
    ) = None


class ConfigMapEnvSource(Record):
    """Config map whose keys all become environment variables."""

    name: Annotated[str, Doc("Name of the config map, in the pod's namespace.")] = ""
    optional: (
        Annotated[bool, Doc("Set to true to start the pod even if the object or the key is missing; default false.")]
        | None
    ) = None


class SecretEnvSource(Record):
    """Secret whose keys all become environment variables."""

    name: Annotated[str, Doc("Name of the secret, in the pod's namespace.")] = ""
    optional: (
        Annotated[bool, Doc("Set to true to start the pod even if the object or the key is missing; default false.")]
        | None
    ) = None


class EnvFromSource(Record):
    """Config map or secret from which a container gets a set of environment variables."""

    configMapRef: Annotated[ConfigMapEnvSource, Doc("Config map whose keys become environment variables.")] | None = (
        None
    )
    prefix: Annotated[str, Doc("Text that is put before the name of each variable.")] = ""
    secretRef: Annotated[SecretEnvSource, Doc("Secret whose keys become environment variables.")] | None = None
