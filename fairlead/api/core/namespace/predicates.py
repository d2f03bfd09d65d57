"""Predicates on a Namespace."""

from __future__ import annotations

from fairlead.api.core.namespace.kind import Namespace


def is_active(namespace: Namespace) -> bool:
    """Returns whether the namespace takes new objects."""
    return not namespace.metadata.deletionTimestamp and namespace.status.phase != "Terminating"
