"""Matches the labels of a request's namespace."""

from __future__ import annotations

from fairlead.api.core.namespace.kind import NAMESPACE
from fairlead.apiserver.admission.matching import is_namespace, namespace_of
from fairlead.apiserver.admission.plugin import Attributes
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.machinery.values.selectors import LabelRequirements
from fairlead.machinery.values.status import not_found


class NamespaceLabels:
    """Matches the labels of namespaces."""

    def __init__(self, resources: Resources) -> None:
        self._namespaces = resources.of(NAMESPACE).cache

    def match(self, selector: LabelRequirements, attributes: Attributes) -> bool:
        """Returns whether the request's namespace has the labels; requests for objects outside of namespaces always
        match. Raises StatusError 404 for a missing namespace."""
        if selector.empty:
            return True
        kind = attributes.kind
        if is_namespace(kind) and not attributes.subresource and attributes.operation in ("CREATE", "UPDATE"):
            return selector.matches(attributes.obj.metadata.labels)
        name = namespace_of(attributes)
        if not name:
            return True
        entry = self._namespaces.get(name)
        if entry is None:
            raise not_found("namespaces", "", name)
        return selector.matches(entry.labels)
