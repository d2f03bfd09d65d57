"""Selects the objects of a list or watch by namespace, name, label and field selectors."""

from __future__ import annotations

from typing import Any

from fairlead.apiserver.watchcache.cache import Entry
from fairlead.base.dataclass import dataclass
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.selectors import (
    FieldRequirements,
    LabelRequirements,
    parse_field_selector,
    parse_label_selector,
)

_ALWAYS = frozenset({"metadata.name", "metadata.namespace"})


@dataclass(frozen=True, slots=True)
class Filter:
    """The objects of a list or watch: namespace and selectors."""

    namespace: str = ""
    labels: LabelRequirements | None = None
    fields: FieldRequirements | None = None

    @property
    def selects(self) -> bool:
        """Returns whether the filter restricts more than the namespace."""
        return self.labels is not None or self.fields is not None

    def matches(self, entry: Entry) -> bool:
        """Returns whether the object passes the filter."""
        if self.namespace and entry.namespace != self.namespace:
            return False
        if self.labels is not None and not self.labels.matches(entry.labels):
            return False
        return self.fields is None or self.fields.matches(entry.field)


def parse_filter(kind: Kind[Any], namespace: str, name: str, labels: str, fields: str) -> Filter:
    """Parses a request's parameters. Raises StatusError 400 for a malformed selector, or a field that the kind
    lacks."""
    requirements = parse_field_selector(f"metadata.name={name}" if name else fields) if name or fields else None
    if requirements is not None:
        requirements.check_supported(_ALWAYS | set(kind.fields))
    selector = parse_label_selector(labels) if labels else None
    return Filter(
        namespace,
        None if selector is None or selector.empty else selector,
        None if requirements is None or requirements.empty else requirements,
    )
