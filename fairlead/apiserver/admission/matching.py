"""Matches requests against webhooks and policies: rules, other versions of a resource, and selectors. Pure.

Rules are matched in two steps. What depends on operation and resource alone is decided once for each kind
(`pairs_for`), so that a request pays only for webhooks and policies that may be about it; scope, names and labels are
decided for each request (`find_resource`, `matches_labels`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from fairlead.apiserver.admission.plugin import Attributes
from fairlead.base.dataclass import dataclass
from fairlead.machinery.kinds.kind import GroupVersionKind, Kind
from fairlead.machinery.kinds.scheme import Scheme
from fairlead.machinery.kinds.subresources import subresources_of
from fairlead.machinery.values.selectors import LabelRequirements

EXEMPT_GROUP = "admissionregistration.k8s.io"
"""Objects of this group configure admission itself and are exempt, so that no webhook can lock out its own repair."""


class Rule(Protocol):
    """The fields of a rule; None as the scope means any."""

    operations: list[str]
    apiGroups: list[str]
    apiVersions: list[str]
    resources: list[str]
    scope: str | None


@dataclass(frozen=True, slots=True)
class ResourceVersionKind:
    """One version of a resource, or of its subresource, and the kind of the body."""

    kind: Kind[Any]
    """The kind of the resource in this version."""
    subresource: str
    body: GroupVersionKind

    def resource_tree(self) -> dict[str, str]:
        """Returns the resource as a `GroupVersionResource`."""
        return {"group": self.kind.group, "version": self.kind.version, "resource": self.kind.plural}


Pairs = Sequence[tuple[Rule, ResourceVersionKind]]
"""Rules that match by operation and resource, each with the version of the resource that it matches."""


def storage_of(kind: Kind[Any]) -> Kind[Any]:
    """Returns the kind's storage version."""
    return kind.conversion.storage if kind.conversion is not None else kind


def resource_of(kind: Kind[Any], subresource: str) -> ResourceVersionKind | None:
    """Returns the resource of a request, or None if the kind lacks the subresource."""
    if not subresource:
        return ResourceVersionKind(kind, "", kind.gvk)
    declared = next((s for s in subresources_of(kind) if s.name == subresource), None)
    return ResourceVersionKind(kind, subresource, declared.gvk) if declared is not None else None


def equivalents(scheme: Scheme, kind: Kind[Any], subresource: str) -> list[ResourceVersionKind]:
    """Returns all other versions of the resource."""
    others = (other for other in scheme if other is not kind and storage_of(other) is storage_of(kind))
    return [found for other in others if (found := resource_of(other, subresource)) is not None]


def pairs_for(
    rules: Iterable[Rule], operation: str, requested: ResourceVersionKind, others: Sequence[ResourceVersionKind]
) -> Pairs:
    """Returns the rules that match by operation and resource: first those that match the requested version, then
    those that match one of the others."""
    matching = [rule for rule in rules if "*" in rule.operations or operation in rule.operations]
    found = [(rule, requested) for rule in matching if _matches_resource(rule, requested)]
    return [*found, *((rule, other) for rule in matching for other in others if _matches_resource(rule, other))]


def _matches_resource(rule: Rule, requested: ResourceVersionKind) -> bool:
    kind = requested.kind
    return (
        ("*" in rule.apiGroups or kind.group in rule.apiGroups)
        and ("*" in rule.apiVersions or kind.version in rule.apiVersions)
        and any(_names(text, kind.plural, requested.subresource) for text in rule.resources)
    )


def _names(text: str, resource: str, subresource: str) -> bool:
    of_rule, _, below = text.partition("/")
    return of_rule in ("*", resource) and below in ("*", subresource)


def is_namespace(kind: Kind[Any]) -> bool:
    """Returns whether objects of the kind are namespaces."""
    return kind.plural == "namespaces" and not kind.group


def namespace_of(attributes: Attributes) -> str:
    """Returns the namespace of the request, which for a namespace is its name."""
    return attributes.object_name if is_namespace(attributes.kind) else attributes.namespace


def find_resource(pairs: Pairs, attributes: Attributes) -> ResourceVersionKind | None:
    """Returns the version of the first rule that matches the request, or None."""
    for rule, resource in pairs:
        if _in_scope(rule.scope, attributes) and _has_name(rule, attributes):
            return resource
    return None


def _in_scope(scope: str | None, attributes: Attributes) -> bool:
    if scope is None or scope == "*":
        return True
    return (scope == "Namespaced") is attributes.kind.namespaced


def _has_name(rule: Rule, attributes: Attributes) -> bool:
    names: list[str] = getattr(rule, "resourceNames", [])
    return not names or attributes.object_name in names


def matches_object(selector: LabelRequirements, attributes: Attributes) -> bool:
    """Returns whether the new or the old object has the labels."""
    return selector.empty or any(selector.matches(labels) for labels in _labels(attributes))


def _labels(attributes: Attributes) -> Iterator[Mapping[str, str]]:
    for obj in (attributes.obj, attributes.old):
        metadata = getattr(obj, "metadata", None)
        if metadata is not None:
            yield metadata.labels
