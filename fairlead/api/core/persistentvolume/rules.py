"""Checks of persistent volumes, and of their changes.

Source of the rules and their texts: upstream's validation of PersistentVolume.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any

import msgspec

from fairlead.api.core.amounts import value
from fairlead.api.core.persistentvolume.sources import (
    SOURCES,
    CSIPersistentVolumeSource,
    ISCSIPersistentVolumeSource,
    LocalVolumeSource,
    PersistentVolumeSource,
    SecretReference,
)
from fairlead.api.core.persistentvolume.types import PersistentVolume, PersistentVolumeSpec
from fairlead.api.core.pod.placement.affinity import NodeSelector
from fairlead.api.core.pod.placement.affinity_rules import node_selector_errors
from fairlead.api.core.pod.volumes.claim_rules import VOLUME_MODES, access_mode_errors, class_name_errors
from fairlead.api.core.pod.volumes.volume_network_rules import driver_errors, network_errors
from fairlead.api.core.topology.labels import REGION_LABEL, ZONE_LABEL
from fairlead.api.core.topology.types import OLD_NODE_LABELS
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.meta.rules import no_backsteps
from fairlead.machinery.kinds.decode import to_tree
from fairlead.machinery.values import names
from fairlead.machinery.values.status import FieldError, forbidden, invalid, not_supported, required

_RECLAIM_POLICIES = ("Delete", "Recycle", "Retain")
_MOUNT_OPTIONS = "volume.beta.kubernetes.io/mount-options"
_WITHOUT_OPTIONS = {
    "csi",
    "fc",
    "flexVolume",
    "flocker",
    "hostPath",
    "local",
    "portworxVolume",
    "scaleIO",
    "storageos",
}
"""Origins for which upstream refuses the old annotation with mount options."""
_PATHS = {"gcePersistentDisk": "persistentDisk"}
"""Paths that upstream's errors have in place of the names of the fields."""
_NEW_LABELS = {
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "failure-domain.beta.kubernetes.io/zone": ZONE_LABEL,
    "failure-domain.beta.kubernetes.io/region": REGION_LABEL,
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
}


def given_sources(spec: PersistentVolumeSource) -> list[str]:
    return [name for name in SOURCES if getattr(spec, name) is not None]


def volume_errors(volume: PersistentVolume) -> Iterator[FieldError]:
    spec, path = volume.spec, "spec"
    if not spec.accessModes:
        yield required(f"{path}.accessModes")
    yield from access_mode_errors(spec.accessModes, f"{path}.accessModes")
    yield from _capacity_errors(spec, f"{path}.capacity")
    policy = spec.persistentVolumeReclaimPolicy
    if policy and policy not in _RECLAIM_POLICIES:
        yield not_supported(f"{path}.persistentVolumeReclaimPolicy", policy, _RECLAIM_POLICIES)
    yield from _affinity_errors(spec, f"{path}.nodeAffinity")
    yield from source_errors(spec, path, volume.metadata.name)
    if spec.hostPath is not None and posixpath.normpath(spec.hostPath.path) == "/" and policy == "Recycle":
        text = "may not be 'recycle' for a hostPath mount of '/'"
        yield forbidden(f"{path}.persistentVolumeReclaimPolicy", text)
    yield from class_name_errors(spec.storageClassName, f"{path}.storageClassName")
    if spec.volumeMode is not None and spec.volumeMode not in VOLUME_MODES:
        yield not_supported(f"{path}.volumeMode", spec.volumeMode, VOLUME_MODES)
    yield from _attributes_errors(spec, path)
    yield from _option_errors(volume)


def _capacity_errors(spec: PersistentVolumeSpec, path: str) -> Iterator[FieldError]:
    if not spec.capacity:
        yield required(path)
    if set(spec.capacity) != {"storage"}:
        yield not_supported(path, spec.capacity or None, ("storage",))
    for name, amount in sorted(spec.capacity.items()):
        number = value(str(amount))
        if number < 0:
            yield invalid(f"{path}[{name}]", int(number), "must be a valid resource quantity")
        if number <= 0:
            yield invalid(f"{path}[{name}]", str(amount), "must be greater than zero")


def _affinity_errors(spec: PersistentVolumeSpec, path: str) -> Iterator[FieldError]:
    affinity = spec.nodeAffinity
    if affinity is None:
        return
    if affinity.required is None:
        yield required(f"{path}.required", "must specify required node constraints")
    else:
        yield from node_selector_errors(affinity.required, f"{path}.required")


def source_errors(spec: PersistentVolumeSpec, path: str, volume: str) -> Iterator[FieldError]:
    """Yields errors of the origin of the named volume."""
    found = given_sources(spec)
    if not found:
        yield required(path, "must specify a volume type")
        return
    for name in found:
        if name != found[0] and name != "flexVolume":  # upstream counts a second flexVolume and does not refuse it
            shown = "cephFS" if name == "cephfs" else name
            yield forbidden(f"{path}.{shown}", "may not specify more than 1 volume type")
        else:
            where = f"{path}.{_PATHS.get(name, name)}"
            yield from network_errors(name, getattr(spec, name), where)
            yield from _own_errors(spec, name, where)
    if spec.local is not None and found[0] == "local" and spec.nodeAffinity is None:
        yield required(f"{path}.nodeAffinity", "Local volume requires node affinity")
    if spec.iscsi is not None and found[0] == "iscsi":
        yield from _initiator_errors(spec.iscsi, f"{path}.iscsi", volume)


def _own_errors(spec: PersistentVolumeSpec, name: str, path: str) -> Iterator[FieldError]:
    """Yields errors of what persistent volumes have and the volumes of pods have not."""
    if spec.hostPath is not None and name == "hostPath":
        yield from no_backsteps(spec.hostPath.path, f"{path}.path")
    elif spec.nfs is not None and name == "nfs":
        if not spec.nfs.path.startswith("/"):
            yield invalid(f"{path}.path", spec.nfs.path, "must be an absolute path")
    elif spec.glusterfs is not None and name == "glusterfs":
        yield from _endpoints_namespace(spec.glusterfs.endpointsNamespace, f"{path}.endpointsNamespace")
    elif spec.azureFile is not None and name == "azureFile":
        if spec.azureFile.secretNamespace == "":
            yield required(f"{path}.secretNamespace")
    elif spec.iscsi is not None and name == "iscsi":
        if spec.iscsi.secretRef is not None and not spec.iscsi.secretRef.name:
            yield required(f"{path}.secretRef.name")
    elif name in ("cinder", "storageos"):
        yield from _secret_namespace(getattr(spec, name).secretRef, path)
    elif spec.local is not None and name == "local":
        yield from _local_errors(spec.local, path)
    elif spec.csi is not None and name == "csi":
        yield from _csi_errors(spec.csi, path)


def _endpoints_namespace(namespace: str | None, path: str) -> Iterator[FieldError]:
    if namespace == "":
        text = "if the endpointnamespace is set, it must be a valid namespace name"
        yield invalid(path, namespace, text)
    for text in names.dns1123_label(namespace) if namespace else ():
        yield invalid(path, namespace, text)


def _initiator_errors(iscsi: ISCSIPersistentVolumeSource, path: str, volume: str) -> Iterator[FieldError]:
    if iscsi.initiatorName is not None and len(f"{volume}:{iscsi.targetPortal}") > 64:
        text = (
            "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is "
            "specified."
        )
        yield invalid(f"{path}.targetportal", iscsi.targetPortal, text)


def _secret_namespace(ref: SecretReference | ObjectReference | None, path: str) -> Iterator[FieldError]:
    if ref is not None and not ref.namespace:
        yield required(f"{path}.secretRef.namespace")


def _local_errors(local: LocalVolumeSource, path: str) -> Iterator[FieldError]:
    if not local.path:
        yield required(f"{path}.path")
    else:
        yield from no_backsteps(local.path, f"{path}.path")


def _csi_errors(csi: CSIPersistentVolumeSource, path: str) -> Iterator[FieldError]:
    yield from driver_errors(csi.driver, f"{path}.driver")
    if not csi.volumeHandle:
        yield required(f"{path}.volumeHandle")
    for name in (
        "controllerPublishSecretRef",
        "controllerExpandSecretRef",
        "nodePublishSecretRef",
        "nodeExpandSecretRef",
    ):
        ref: SecretReference | None = getattr(csi, name)
        if ref is not None:
            yield from _name_errors(ref.name, names.dns1123_subdomain(ref.name), f"{path}.{name}.name")
            yield from _name_errors(ref.namespace, names.dns1123_label(ref.namespace), f"{path}.{name}.namespace")


def _name_errors(name: str, problems: list[str], path: str) -> Iterator[FieldError]:
    if not name:
        yield required(path)
    else:
        yield from (invalid(path, name, text) for text in problems)


def _attributes_errors(spec: PersistentVolumeSpec, path: str) -> Iterator[FieldError]:
    name = spec.volumeAttributesClassName
    if name is None:
        return
    if not name:
        yield required(f"{path}.volumeAttributesClassName", "an empty string is disallowed")
    yield from class_name_errors(name, f"{path}.volumeAttributesClassName")
    if spec.csi is None:
        yield required(f"{path}.csi", "has to be specified when using volumeAttributesClassName")


def _option_errors(volume: PersistentVolume) -> Iterator[FieldError]:
    if _MOUNT_OPTIONS in volume.metadata.annotations and set(given_sources(volume.spec)) <= _WITHOUT_OPTIONS:
        text = "may not specify mount options for this volume type"
        yield forbidden(f"metadata.annotations.{_MOUNT_OPTIONS}", text)


def volume_transition(old: PersistentVolume, new: PersistentVolume) -> Iterator[FieldError]:
    if _sources(old) != _sources(new) and _sources(old) != _sources(_without_new_secret(old, new)):
        yield forbidden("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation")
    if old.spec.volumeMode != new.spec.volumeMode:
        yield invalid("volumeMode", new.spec.volumeMode, "field is immutable")
    before, after = old.spec.nodeAffinity, new.spec.nodeAffinity
    if before is not None and (after is None or _renamed(before.required) != _renamed(after.required)):
        text = "field is immutable, except for updating from beta label to GA"
        yield invalid("nodeAffinity", to_tree(after), text)
    if old.spec.volumeAttributesClassName is not None and new.spec.volumeAttributesClassName is None:
        yield forbidden("spec.volumeAttributesClassName", "update from non-nil value to nil is forbidden")


def _sources(volume: PersistentVolume) -> dict[str, Any]:
    return {name: getattr(volume.spec, name) for name in given_sources(volume.spec)}


def _without_new_secret(old: PersistentVolume, new: PersistentVolume) -> PersistentVolume:
    """Returns the new volume without a secret for resizes that the old one does not have: it may be added."""
    before, after = old.spec.csi, new.spec.csi
    if before is None or after is None or before.controllerExpandSecretRef is not None:
        return new
    csi = msgspec.structs.replace(after, controllerExpandSecretRef=None)
    return msgspec.structs.replace(new, spec=msgspec.structs.replace(new.spec, csi=csi))


def _renamed(selector: NodeSelector | None) -> Any:
    """Returns the selector with the present names of labels in place of deprecated ones."""
    tree: dict[str, Any] = msgspec.to_builtins(selector) if selector is not None else {}
    for term in tree.get("nodeSelectorTerms", ()):
        for need in term.get("matchExpressions", ()):
            need["key"] = _NEW_LABELS.get(need["key"], need["key"])
    return tree


def volume_warnings(volume: PersistentVolume) -> Iterator[str]:
    spec, annotations = volume.spec, volume.metadata.annotations
    for key, text in (
        ("volume.beta.kubernetes.io/storage-class", 'deprecated since v1.8; use "storageClassName" attribute instead'),
        (_MOUNT_OPTIONS, 'deprecated since v1.31; use "mountOptions" attribute instead'),
    ):
        if key in annotations:
            yield f"metadata.annotations[{key}]: {text}"
    if spec.persistentVolumeReclaimPolicy == "Recycle":
        yield (
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended "
            "approach is to use dynamic provisioning."
        )
    terms = spec.nodeAffinity.required.nodeSelectorTerms if spec.nodeAffinity and spec.nodeAffinity.required else ()
    for number, term in enumerate(terms):
        for place, need in enumerate(term.matchExpressions):
            if (old := OLD_NODE_LABELS.get(need.key)) is not None:
                path = f"spec.nodeAffinity.required.nodeSelectorTerms[{number}].matchExpressions[{place}].key"
                yield f"{path}: {need.key} is {old}"
    for name, text in _OLD_SOURCES.items():
        if getattr(spec, name) is not None:
            yield f"spec.{'storageOS' if name == 'storageos' else name}: {text}"


_OLD_SOURCES = {
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
