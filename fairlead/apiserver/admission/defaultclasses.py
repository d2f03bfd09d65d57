"""Sets the default class of new claims and Ingresses without one: the newest class that is marked as default.

Source: upstream's admission plug-ins DefaultStorageClass and DefaultIngressClass.
"""

from __future__ import annotations

from typing import Any

from fairlead.api.core.persistentvolumeclaim import PERSISTENT_VOLUME_CLAIM
from fairlead.api.networking.ingress import INGRESS
from fairlead.api.networking.ingressclass import INGRESS_CLASS
from fairlead.api.storage.storageclass import STORAGE_CLASS
from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.apiserver.watchcache.cache import KindCache
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.machinery.kinds.kind import Kind

_STORAGE_MARKS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_INGRESS_MARKS = ("ingressclass.kubernetes.io/is-default-class",)
_CLAIM_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
_INGRESS_ANNOTATION = "kubernetes.io/ingress.class"


class DefaultStorageClass(AdmissionPlugin):
    """Sets the storage class of claims."""

    name = "DefaultStorageClass"

    def __init__(self, resources: Resources) -> None:
        self._classes = resources.of(STORAGE_CLASS).cache

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        return operation == "CREATE" and kind is PERSISTENT_VOLUME_CLAIM and not subresource

    async def admit(self, attributes: Attributes) -> None:
        claim = attributes.obj
        if claim.spec.storageClassName is None and _CLAIM_ANNOTATION not in claim.metadata.annotations:
            claim.spec.storageClassName = _default(self._classes, _STORAGE_MARKS)


class DefaultIngressClass(AdmissionPlugin):
    """Sets the class of Ingresses."""

    name = "DefaultIngressClass"

    def __init__(self, resources: Resources) -> None:
        self._classes = resources.of(INGRESS_CLASS).cache

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        return operation == "CREATE" and kind is INGRESS and not subresource

    async def admit(self, attributes: Attributes) -> None:
        ingress = attributes.obj
        if ingress.spec.ingressClassName is None and _INGRESS_ANNOTATION not in ingress.metadata.annotations:
            ingress.spec.ingressClassName = _default(self._classes, _INGRESS_MARKS)


def _default(classes: KindCache, marks: tuple[str, ...]) -> str | None:
    """Returns the name of the newest class with a mark; of several, the first by name. None without such a class."""
    metadata = [entry.decode().metadata for entry in classes.select() if any(m.encode() in entry.raw for m in marks)]
    marked = [meta for meta in metadata if any(meta.annotations.get(mark) == "true" for mark in marks)]
    newest = max((meta.creationTimestamp or "" for meta in marked), default="")
    return min((meta.name for meta in marked if (meta.creationTimestamp or "") == newest), default=None)
