"""Checks of a pod's volumes."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.core.pod.containers.env_rules import VOLUME_FIELDS, field_errors, resource_field_errors
from fairlead.api.core.pod.containers.resource_rules import amount_errors
from fairlead.api.core.pod.volumes.claim_rules import claim_template_errors
from fairlead.api.core.pod.volumes.volume import CSIVolumeSource, Volume
from fairlead.api.core.pod.volumes.volume_defaults import SOURCES
from fairlead.api.core.pod.volumes.volume_network_rules import driver_errors, network_errors
from fairlead.api.core.pod.volumes.volume_projected import (
    DownwardAPIVolumeFile,
    KeyToPath,
    ProjectedVolumeSource,
    VolumeProjection,
)
from fairlead.api.meta.rules import no_backsteps, relative_path
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, duplicate, forbidden, invalid, required

_MODE_TEXT = "must be a number between 0 and 0777 (octal), both inclusive"
_TOKEN_MIN_SECONDS = 600
_TOKEN_MAX_SECONDS = 1 << 32


def volume_errors(volumes: list[Volume], path: str) -> Iterator[FieldError]:
    seen: set[str] = set()
    for i, volume in enumerate(volumes):
        where = f"{path}[{i}]"
        if volume.name in seen:
            yield duplicate(f"{where}.name", volume.name)
        seen.add(volume.name)
        given = [name for name in SOURCES if getattr(volume, name) is not None]
        for name in given[1:]:
            yield forbidden(f"{where}.{name}", "may not specify more than 1 volume type")
        if given:
            yield from _source_errors(volume, given[0], f"{where}.{given[0]}")


def _source_errors(volume: Volume, name: str, path: str) -> Iterator[FieldError]:
    match name:
        case "secret" if volume.secret is not None:
            if not volume.secret.secretName:
                yield required(f"{path}.secretName")
            yield from _file_errors(volume.secret.items, volume.secret.defaultMode, path)
        case "configMap" if volume.configMap is not None:
            if not volume.configMap.name:
                yield required(f"{path}.name")
            yield from _file_errors(volume.configMap.items, volume.configMap.defaultMode, path)
        case "downwardAPI" if volume.downwardAPI is not None:
            yield from _mode_errors(volume.downwardAPI.defaultMode, f"{path}.defaultMode")
            yield from _downward_errors(volume.downwardAPI.items, path)
        case "projected" if volume.projected is not None:
            yield from _projected_errors(volume.projected, path)
        case "hostPath" if volume.hostPath is not None:
            yield from no_backsteps(volume.hostPath.path, f"{path}.path")
        case "emptyDir" if volume.emptyDir is not None and volume.emptyDir.sizeLimit is not None:
            yield from amount_errors(volume.emptyDir.sizeLimit, f"{path}.sizeLimit")
        case _:
            yield from _other_errors(volume, name, path)


def _other_errors(volume: Volume, name: str, path: str) -> Iterator[FieldError]:
    """Yields errors of volumes that Fairlead's nodes do not mount."""
    if volume.nfs is not None and name == "nfs":
        if volume.nfs.path and not volume.nfs.path.startswith("/"):
            yield invalid(f"{path}.path", volume.nfs.path, "must be an absolute path")
    elif volume.ephemeral is not None and name == "ephemeral":
        where = f"{path}.volumeClaimTemplate"
        if volume.ephemeral.volumeClaimTemplate is None:
            yield required(where)
        else:
            yield from claim_template_errors(volume.ephemeral.volumeClaimTemplate, where)
    elif volume.csi is not None and name == "csi":
        yield from _csi_errors(volume.csi, path)
    else:
        # Upstream's path of this source is not the name of its field.
        where = path.replace(name, "persistentDisk") if name == "gcePersistentDisk" else path
        yield from network_errors(name, getattr(volume, name), where)


def _csi_errors(csi: CSIVolumeSource, path: str) -> Iterator[FieldError]:
    if csi.driver:
        yield from driver_errors(csi.driver, f"{path}.driver")
    if csi.nodePublishSecretRef is not None:
        name = csi.nodePublishSecretRef.name
        if not name:
            yield required(f"{path}.nodePublishSecretRef.name")
        for text in names.dns1123_subdomain(name) if name else ():
            yield invalid(f"{path}.name", name, text)


def _file_errors(items: list[KeyToPath], default_mode: int | None, path: str) -> Iterator[FieldError]:
    yield from _mode_errors(default_mode, f"{path}.defaultMode")
    for i, item in enumerate(items):
        where = f"{path}.items[{i}]"
        yield from _inner_path_errors(item.path, f"{where}.path")
        yield from _mode_errors(item.mode, f"{where}.mode")


def _mode_errors(mode: int | None, path: str) -> Iterator[FieldError]:
    if mode is not None and not 0 <= mode <= 0o777:
        yield invalid(path, mode, _MODE_TEXT)


def _inner_path_errors(target: str, path: str) -> Iterator[FieldError]:
    yield from relative_path(target, path)
    if target.startswith("..") and not target.startswith("../"):
        yield invalid(path, target, "must not start with '..'")


def _downward_errors(items: list[DownwardAPIVolumeFile], path: str) -> Iterator[FieldError]:
    for i, item in enumerate(items):
        where = f"{path}.items[{i}]"
        if not item.path:
            yield required(f"{where}.path")
        yield from _inner_path_errors(item.path, f"{where}.path")
        if item.fieldRef is not None:
            yield from field_errors(item.fieldRef, f"{where}.fieldRef", VOLUME_FIELDS)
            if item.resourceFieldRef is not None:
                yield invalid(where, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
        elif item.resourceFieldRef is not None:
            yield from resource_field_errors(item.resourceFieldRef, f"{where}.resourceFieldRef", volume=True)
        else:
            yield required(where, "one of fieldRef and resourceFieldRef is required")
        yield from _mode_errors(item.mode, f"{where}.mode")


def _projected_errors(projected: ProjectedVolumeSource, path: str) -> Iterator[FieldError]:
    yield from _mode_errors(projected.defaultMode, f"{path}.defaultMode")
    kinds = VolumeProjection.__struct_fields__
    for i, source in enumerate(projected.sources):
        where = f"{path}.sources[{i}]"
        given = [kind for kind in kinds if getattr(source, kind) is not None]
        if not given:
            yield required(where, "must specify a volume projection type")
        for kind in given[1:]:
            yield forbidden(f"{where}.{kind}", "may not specify more than 1 volume type")
        if given:
            yield from _projection_errors(source, f"{where}.{given[0]}")


def _projection_errors(source: VolumeProjection, path: str) -> Iterator[FieldError]:
    for named in (source.secret, source.configMap):
        if named is not None:
            if not named.name:
                yield required(f"{path}.name")
            yield from _file_errors(named.items, None, path)
    if source.downwardAPI is not None:
        yield from _downward_errors(source.downwardAPI.items, path)
    if (token := source.serviceAccountToken) is not None:
        seconds = token.expirationSeconds
        if seconds is not None and seconds < _TOKEN_MIN_SECONDS:
            yield invalid(f"{path}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
        if seconds is not None and seconds > _TOKEN_MAX_SECONDS:
            text = "may not specify a duration larger than 2^32 seconds"
            yield invalid(f"{path}.expirationSeconds", seconds, text)
        if not token.path:
            yield required(f"{path}.path")
        else:
            yield from _inner_path_errors(token.path, f"{path}.path")
