"""The objects that a Pod refers to by name, read off the JSON tree of the Pod.

What must stay true: every reference that makes a kubelet fetch an object is found, in all containers and all types of
volumes. Members that hold free text do not have objects as values, so that no name in them is taken for a reference.
Source: upstream's `VisitPodSecretNames`, `VisitPodConfigmapNames` and the edges of its node graph.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Reference = tuple[str, str]
"""Plural of the kind and name; the namespace is that of the Pod."""

_MEMBERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "secretKeyRef": ("secrets", ("name",)),
    "secretRef": ("secrets", ("name",)),
    "secret": ("secrets", ("secretName", "name")),
    "azureFile": ("secrets", ("secretName",)),
    "nodePublishSecretRef": ("secrets", ("name",)),
    "configMapKeyRef": ("configmaps", ("name",)),
    "configMapRef": ("configmaps", ("name",)),
    "configMap": ("configmaps", ("name",)),
    "persistentVolumeClaim": ("persistentvolumeclaims", ("claimName",)),
}
"""Members that are references: the kind, and the members that may hold the name."""
_ORDER = ("serviceaccounts", "secrets", "configmaps", "resourceclaims", "persistentvolumeclaims")
_MIRROR = "kubernetes.io/config.mirror"


def references_of(pod: dict[str, Any]) -> frozenset[Reference]:
    """Returns the references of a Pod. The mirror of a static Pod lacks them: a node writes it itself."""
    metadata, spec = pod.get("metadata", {}), pod.get("spec", {})
    if _MIRROR in metadata.get("annotations", {}):
        return frozenset()
    found = set(_walk(spec))
    found.update(("secrets", one["name"]) for one in spec.get("imagePullSecrets", ()) if one.get("name"))
    if account := spec.get("serviceAccountName"):
        found.add(("serviceaccounts", account))
    for volume in spec.get("volumes", ()):
        if "ephemeral" in volume:
            found.add(("persistentvolumeclaims", f"{metadata['name']}-{volume['name']}"))
    found.update(("resourceclaims", name) for name in _claims(pod))
    return frozenset(found)


def referred_kind(pod: dict[str, Any]) -> str:
    """Returns a kind of object that the Pod refers to, or "" if there is none."""
    metadata = {key: value for key, value in pod.get("metadata", {}).items() if key != "annotations"}
    kinds = {plural for plural, _ in references_of(pod | {"metadata": metadata})}
    return min(kinds, key=_ORDER.index) if kinds else ""


def _walk(tree: Any) -> Iterator[Reference]:
    if isinstance(tree, list):
        for item in tree:
            yield from _walk(item)
    elif isinstance(tree, dict):
        for key, value in tree.items():
            if key in _MEMBERS and isinstance(value, dict):
                plural, names = _MEMBERS[key]
                yield from ((plural, value[name]) for name in names if value.get(name))
            yield from _walk(value)


def _claims(pod: dict[str, Any]) -> Iterator[str]:
    """Yields the names of the Pod's ResourceClaims."""
    status = pod.get("status", {})
    for claim in pod.get("spec", {}).get("resourceClaims", ()):
        if name := claim.get("resourceClaimName"):
            yield name
    for made in status.get("resourceClaimStatuses", ()):
        if name := made.get("resourceClaimName"):
            yield name
    if name := status.get("extendedResourceClaimStatus", {}).get("resourceClaimName"):
        yield name


def secrets_of_volume(spec: dict[str, Any], namespace: str) -> Iterator[tuple[str, str]]:
    """Yields namespace and name of the Secrets in the spec of a PersistentVolume that is claimed in the namespace."""
    for key, value in spec.items():
        if not isinstance(value, dict):
            continue
        if key == "azureFile" and value.get("secretName"):
            yield value.get("secretNamespace") or namespace, value["secretName"]
        elif key == "secretRef" or key.endswith("SecretRef"):
            if value.get("name"):
                yield value.get("namespace") or namespace, value["name"]
        else:
            yield from secrets_of_volume(value, namespace)
