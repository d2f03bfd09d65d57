"""Checks of volumes on disks and file servers, in pods and in persistent volumes.

Source of the rules and their texts: upstream's validation of volume sources.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, invalid, not_supported, required, too_long

_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "awsElasticBlockStore": ("volumeID",),
    "azureDisk": ("diskName", "diskURI"),
    "azureFile": ("secretName", "shareName"),
    "cephfs": ("monitors",),
    "cinder": ("volumeID",),
    "flexVolume": ("driver",),
    "gcePersistentDisk": ("pdName",),
    "glusterfs": ("endpoints", "path"),
    "iscsi": ("targetPortal", "iqn"),
    "photonPersistentDisk": ("pdID",),
    "portworxVolume": ("volumeID",),
    "rbd": ("monitors", "image"),
    "scaleIO": ("gateway", "system", "volumeName"),
    "storageos": ("volumeName",),
    "vsphereVolume": ("volumePath",),
}
"""Fields that may not be empty, by the name of the source. NFS has markers."""
_IQN = re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9.-]+)(:[^,;*&$|\s]+)$", re.ASCII)
_EUI = re.compile(r"^eui.[A-Za-z0-9]{16}$")
_NAA = re.compile(r"^naa.[A-Za-z0-9]{32}$")
_INITIATORS = {"iqn": _IQN, "eui": _EUI, "naa": _NAA}
_HOST_PORTS = "must be a host:port pair or multiple pairs separated by commas"
_DRIVER_MAX = 63


def network_errors(name: str, source: Any, path: str) -> Iterator[FieldError]:
    """Yields errors of a volume source by its name; none for a source on the node."""
    for field in _REQUIRED.get(name, ()):
        if not getattr(source, field):
            yield required(f"{path}.{field}")
    if (check := _CHECKS.get(name)) is not None:
        yield from check(source, path)


def driver_errors(driver: str, path: str) -> Iterator[FieldError]:
    """Yields errors of the name of a CSI driver."""
    if not driver:
        yield required(path)
        return
    if len(driver) > _DRIVER_MAX:
        yield too_long(path, _DRIVER_MAX)
    for text in names.dns1123_subdomain(driver.lower()):
        yield invalid(path, driver, text)


def _partition(source: Any, path: str) -> Iterator[FieldError]:
    if not 0 <= source.partition <= 255:
        yield invalid(f"{path}.partition", source.partition, names.range_text(1, 255))


def _azure_disk(source: Any, path: str) -> Iterator[FieldError]:
    modes, kinds = ("None", "ReadOnly", "ReadWrite"), ("Dedicated", "Managed", "Shared")
    if source.cachingMode is not None and source.cachingMode not in modes:
        yield not_supported(f"{path}.cachingMode", source.cachingMode, modes)
    if source.kind is None:
        return
    if source.kind not in kinds:
        yield not_supported(f"{path}.kind", source.kind, kinds)
    if source.kind == "Managed" and not source.diskURI.startswith("/subscriptions/"):
        form = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
        yield not_supported(f"{path}.diskURI", source.diskURI, (form,))
    if source.kind != "Managed" and not source.diskURI.startswith("https://"):
        form = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
        yield not_supported(f"{path}.diskURI", source.diskURI, (form,))


def _secret_name(source: Any, path: str) -> Iterator[FieldError]:
    if source.secretRef is not None and not source.secretRef.name:
        yield required(f"{path}.secretRef.name")


def _fibre_channel(source: Any, path: str) -> Iterator[FieldError]:
    where = f"{path}.targetWWNs"
    if not source.targetWWNs and not source.wwids:
        yield required(where, "must specify either targetWWNs or wwids, but not both")
    if source.targetWWNs and source.wwids:
        yield invalid(where, source.targetWWNs, "targetWWNs and wwids can not be specified simultaneously")
    if source.targetWWNs and source.lun is None:
        yield required(f"{path}.lun", "lun is required if targetWWNs is specified")
    elif source.targetWWNs:
        yield from _lun(source, path)


def _lun(source: Any, path: str) -> Iterator[FieldError]:
    if not 0 <= source.lun <= 255:
        yield invalid(f"{path}.lun", source.lun, names.range_text(0, 255))


def _flex_volume(source: Any, path: str) -> Iterator[FieldError]:
    for key in sorted(source.options):
        domain = "." + key.partition("/")[0].lower()
        if domain.endswith((".kubernetes.io", ".k8s.io")):
            yield invalid(f"{path}.options[{key}]", key, "kubernetes.io and k8s.io namespaces are reserved")


def _flocker(source: Any, path: str) -> Iterator[FieldError]:
    if not source.datasetName and not source.datasetUUID:
        yield required(path, "one of datasetName and datasetUUID is required")
    if source.datasetName and source.datasetUUID:
        yield invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously")
    if "/" in source.datasetName:
        yield invalid(f"{path}.datasetName", source.datasetName, "must not contain '/'")


def _iscsi(source: Any, path: str) -> Iterator[FieldError]:
    yield from _initiator(source.iqn, f"{path}.iqn") if source.iqn else ()
    yield from _lun(source, path)
    if (source.chapAuthDiscovery or source.chapAuthSession) and source.secretRef is None:
        yield required(f"{path}.secretRef")
    if source.initiatorName is not None:
        yield from _initiator(source.initiatorName, f"{path}.initiatorname")


def _initiator(name: str, path: str) -> Iterator[FieldError]:
    """Yields an error of a qualified name (RFC 3720, 3.2.6). The path has upstream's spelling."""
    form = _INITIATORS.get(name[:3])
    if form is None:
        yield invalid(path, name, "must be valid format starting with iqn, eui, or naa")
    elif not form.search(name):
        yield invalid(path, name, "must be valid format")


def _quobyte(source: Any, path: str) -> Iterator[FieldError]:
    where = f"{path}.registry"
    if not source.registry:
        yield required(where, _HOST_PORTS)
    elif len(source.tenant) > 64:
        yield required(f"{path}.tenant", "must be a UUID and may not exceed a length of 64 characters")
    else:
        for pair in source.registry.split(","):
            if not _is_host_port(pair):
                yield invalid(where, source.registry, _HOST_PORTS)
    if not source.volume:
        yield required(f"{path}.volume")


def _is_host_port(pair: str) -> bool:
    """Returns whether the text has the form of Go's `net.SplitHostPort`."""
    if pair.startswith("["):
        return re.fullmatch(r"\[[^\[\]]*\]:[^:\[\]]*", pair) is not None
    return pair.count(":") == 1 and not set(pair) & set("[]")


def _storage_os(source: Any, path: str) -> Iterator[FieldError]:
    for field in ("volumeName", "volumeNamespace"):
        value = getattr(source, field)
        for text in names.dns1123_label(value) if value else ():
            yield invalid(f"{path}.{field}", value, text)
    yield from _secret_name(source, path)


_CHECKS: Mapping[str, Callable[[Any, str], Iterator[FieldError]]] = {
    "awsElasticBlockStore": _partition,
    "azureDisk": _azure_disk,
    "cinder": _secret_name,
    "fc": _fibre_channel,
    "flexVolume": _flex_volume,
    "flocker": _flocker,
    "gcePersistentDisk": _partition,
    "iscsi": _iscsi,
    "quobyte": _quobyte,
    "storageos": _storage_os,
}
