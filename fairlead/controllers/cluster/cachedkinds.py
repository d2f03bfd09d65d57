"""The form in which the shared informers cache each kind (`Kind.cached`)."""

from __future__ import annotations

from typing import Any

from fairlead.controllers.cluster.partial import partial
from fairlead.machinery.kinds.kind import Kind


def cached_form(kind: Kind[Any]) -> Kind[Any] | None:
    """Returns the kind to request from an InformerSet; None for a kind that is not cached."""
    if kind.cached == "nothing" or kind.conversion is not None:
        return None
    return kind if kind.cached == "object" else partial(kind)
