"""A container's environment: `env` and `envFrom`."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.meta import Quantity, Record
from fairlead.machinery.kind import Atomic, Required


class ConfigMapKeySelector(Record):
    name: str = ""
    key: Annotated[str, Required()] = ""
    optional: bool | None = None


class SecretKeySelector(Record):
    name: str = ""
    key: Annotated[str, Required()] = ""
    optional: bool | None = None


class FileKeySelector(Record):
    key: Annotated[str, Required()] = ""
    path: str = ""
    volumeName: str = ""
    optional: bool | None = None


class ObjectFieldSelector(Record):
    fieldPath: Annotated[str, Required()] = ""
    apiVersion: str = ""


class ResourceFieldSelector(Record):
    resource: Annotated[str, Required()] = ""
    containerName: str = ""
    divisor: Quantity = msgspec.field(default_factory=lambda: "0")


class EnvVarSource(Record):
    configMapKeyRef: Annotated[ConfigMapKeySelector, Atomic()] | None = None
    fieldRef: Annotated[ObjectFieldSelector, Atomic()] | None = None
    fileKeyRef: Annotated[FileKeySelector, Atomic()] | None = None
    resourceFieldRef: Annotated[ResourceFieldSelector, Atomic()] | None = None
    secretKeyRef: Annotated[SecretKeySelector, Atomic()] | None = None


class EnvVar(Record):
    name: Annotated[str, Required()] = ""
    value: str = ""
    valueFrom: EnvVarSource | None = None


class ConfigMapEnvSource(Record):
    name: str = ""
    optional: bool | None = None


class SecretEnvSource(Record):
    name: str = ""
    optional: bool | None = None


class EnvFromSource(Record):
    configMapRef: ConfigMapEnvSource | None = None
    prefix: str = ""
    secretRef: SecretEnvSource | None = None
