"""Refuses new objects in a namespace that is missing or terminating, and the deletion of objects that every cluster
needs.

Source: upstream's admission plug-in NamespaceLifecycle.
"""

from __future__ import annotations

from typing import Any

from fairlead.api.core.namespace.kind import NAMESPACE, Namespace
from fairlead.apiserver.admission.plugin import AdmissionPlugin, Attributes, Operation
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.status import namespace_terminating, not_found


class NamespaceLifecycle(AdmissionPlugin):
    """Refuses to create objects in a namespace that is missing or terminating."""

    name = "NamespaceLifecycle"

    def __init__(self, resources: Resources) -> None:
        self._namespaces = resources.of(NAMESPACE).cache

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        return operation == "CREATE" and kind.namespaced

    async def admit(self, attributes: Attributes) -> None:
        name = attributes.namespace
        entry = self._namespaces.get(name)
        if entry is None:
            raise not_found("namespaces", "", name)
        # A search of the bytes is faster than decoding; no other part of a namespace contains this text.
        if b'"deletionTimestamp":' not in entry.raw:
            return
        namespace: Namespace = entry.decode()
        if namespace.metadata.deletionTimestamp is not None:
            kind, obj = attributes.kind, attributes.obj
            raise namespace_terminating(kind.plural, kind.group, attributes.name or obj.metadata.name, name)


class Undeletable(AdmissionPlugin):
    """Refuses to delete the objects that `Kind.undeletable` names."""

    name = "Undeletable"

    def handles(self, operation: Operation, kind: Kind[Any], subresource: str) -> bool:
        return operation == "DELETE" and bool(kind.undeletable)

    async def admit(self, attributes: Attributes) -> None:
        if why := attributes.kind.undeletable.get(attributes.name):
            raise attributes.denied(why)
