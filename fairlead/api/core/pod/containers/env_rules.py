"""Checks of a container's environment."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.core.pod.containers.env import (
    EnvFromSource,
    EnvVar,
    EnvVarSource,
    ObjectFieldSelector,
    ResourceFieldSelector,
)
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, invalid, not_supported, required

_SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")
_ENV_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
VOLUME_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_RESOURCES = tuple(
    f"{kind}.{name}" for kind in ("limits", "requests") for name in ("cpu", "ephemeral-storage", "memory")
)
_ONE_ONLY = "may not have more than one field specified at a time"


def env_errors(env: list[EnvVar], path: str) -> Iterator[FieldError]:
    for i, var in enumerate(env):
        where = f"{path}[{i}]"
        if var.name:
            for text in names.env_name(var.name):
                yield invalid(f"{where}.name", var.name, text)
        if var.valueFrom is not None:
            yield from _source_errors(var, var.valueFrom, f"{where}.valueFrom")


def _source_errors(var: EnvVar, source: EnvVarSource, path: str) -> Iterator[FieldError]:
    given = [name for name in _SOURCES if getattr(source, name) is not None]
    if source.fieldRef is not None:
        yield from field_errors(source.fieldRef, f"{path}.fieldRef", _ENV_FIELDS)
    if source.resourceFieldRef is not None:
        yield from resource_field_errors(source.resourceFieldRef, f"{path}.resourceFieldRef", volume=False)
    for name, ref in (("configMapKeyRef", source.configMapKeyRef), ("secretKeyRef", source.secretKeyRef)):
        if ref is not None:
            for text in names.dns1123_subdomain(ref.name):
                yield invalid(f"{path}.{name}.name", ref.name, text)
            for text in names.config_key(ref.key) if ref.key else ():
                yield invalid(f"{path}.{name}.key", ref.key, text)
    if not given:
        choices = "`fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        yield invalid(path, "", f"must specify one of: {choices}")
    elif var.value:
        yield invalid(path, "", "may not be specified when `value` is not empty")
    elif len(given) > 1:
        yield invalid(path, "", _ONE_ONLY)


def field_errors(ref: ObjectFieldSelector, path: str, supported: tuple[str, ...]) -> Iterator[FieldError]:
    if not ref.fieldPath:
        return  # marked as required
    base, bracket, rest = ref.fieldPath.partition("['")
    if bracket and rest.endswith("']"):
        key = rest[:-2]
        match base:
            case "metadata.annotations":
                texts = names.qualified_name(key.lower())
            case "metadata.labels":
                texts = names.qualified_name(key)
            case _:
                yield invalid(path, base, "does not support subscript")
                return
        for text in texts:
            yield invalid(path, key, text)
    elif ref.fieldPath not in supported:
        if ref.fieldPath in (*_ENV_FIELDS, *VOLUME_FIELDS):
            yield not_supported(f"{path}.fieldPath", ref.fieldPath, supported)
        else:
            text = f"error converting fieldPath: field label not supported: {ref.fieldPath}"
            yield invalid(f"{path}.fieldPath", ref.fieldPath, text)


def resource_field_errors(ref: ResourceFieldSelector, path: str, *, volume: bool) -> Iterator[FieldError]:
    if volume and not ref.containerName:
        yield required(f"{path}.containerName")
    huge = ref.resource.startswith(("limits.hugepages-", "requests.hugepages-"))
    if ref.resource and ref.resource not in _RESOURCES and not huge:
        yield not_supported(f"{path}.resource", ref.resource, _RESOURCES)


def env_from_errors(sources: list[EnvFromSource], path: str) -> Iterator[FieldError]:
    for i, source in enumerate(sources):
        where = f"{path}[{i}]"
        if source.prefix:
            for text in names.env_name(source.prefix):
                yield invalid(f"{where}.prefix", source.prefix, text)
        given = [(n, ref) for n, ref in (("configMapRef", source.configMapRef), ("secretRef", source.secretRef)) if ref]
        for name, ref in given:
            if not ref.name:
                yield required(f"{where}.{name}.name")
        if not given:
            yield invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(given) > 1:
            yield invalid(path, "", _ONE_ONLY)
