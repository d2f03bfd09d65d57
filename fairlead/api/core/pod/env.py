"""A container's environment: `env` and `envFrom`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.meta.types import Quantity, Record
from fairlead.machinery.kind import Atomic, Doc, Required


class ConfigMapKeySelector(Record):
    name: Annotated[str, Doc("Its name.")] = ""
    key: Annotated[str, Required(), Doc("The key in it.")] = ""
    optional: Annotated[bool, Doc("Whether it may be missing.")] | None = None


class SecretKeySelector(Record):
    name: Annotated[str, Doc("Its name.")] = ""
    key: Annotated[str, Required(), Doc("The key in it.")] = ""
    optional: Annotated[bool, Doc("Whether it may be missing.")] | None = None


class FileKeySelector(Record):
    key: Annotated[str, Required(), Doc("The variable in the file.")] = ""
    path: Annotated[str, Doc("The file in the volume.")] = ""
    volumeName: Annotated[str, Doc("The volume that holds the file.")] = ""
    optional: Annotated[bool, Doc("Whether it may be missing.")] | None = None


class ObjectFieldSelector(Record):
    fieldPath: Annotated[str, Required(), Doc("The field, such as metadata.name or status.podIP.")] = ""
    apiVersion: Annotated[str, Doc("The version the path is written for.")] = ""


class ResourceFieldSelector(Record):
    resource: Annotated[str, Required(), Doc("What of it, such as limits.cpu.")] = ""
    containerName: Annotated[str, Doc("The container.")] = ""
    divisor: Annotated[Quantity, Doc("The unit.")] = msgspec.field(default_factory=lambda: "0")


class EnvVarSource(Record):
    configMapKeyRef: Annotated[ConfigMapKeySelector, Atomic(), Doc("A value of a config map.")] | None = None
    fieldRef: Annotated[ObjectFieldSelector, Atomic(), Doc("A field of the pod.")] | None = None
    fileKeyRef: Annotated[FileKeySelector, Atomic(), Doc("A value of a file.")] | None = None
    resourceFieldRef: Annotated[ResourceFieldSelector, Atomic(), Doc("What a container asks for.")] | None = None
    secretKeyRef: Annotated[SecretKeySelector, Atomic(), Doc("A value of a secret.")] | None = None


class EnvVar(Record):
    name: Annotated[str, Required(), Doc("Its name.")] = ""
    value: Annotated[str, Doc("Its value; $(NAME) stands for another's.")] = ""
    valueFrom: Annotated[EnvVarSource, Doc("Where its value comes from.")] | None = None


class ConfigMapEnvSource(Record):
    name: Annotated[str, Doc("Its name.")] = ""
    optional: Annotated[bool, Doc("Whether it may be missing.")] | None = None


class SecretEnvSource(Record):
    name: Annotated[str, Doc("Its name.")] = ""
    optional: Annotated[bool, Doc("Whether it may be missing.")] | None = None


class EnvFromSource(Record):
    configMapRef: Annotated[ConfigMapEnvSource, Doc("All of a config map.")] | None = None
    prefix: Annotated[str, Doc("What their names begin with.")] = ""
    secretRef: Annotated[SecretEnvSource, Doc("All of a secret.")] | None = None
