"""In which form each kind is cached by the shared informers (`Kind.cached`)."""

from __future__ import annotations

from typing import Any

from fairlead.controllers.cluster.partial import partial
from fairlead.machinery.kind import Kind


def cached_form(kind: Kind[Any]) -> Kind[Any] | None:
    """Returns the kind to ask an InformerSet for; None for a kind that is not cached."""
    if kind.cached == "nothing" or kind.conversion is not None:
        return None
    return kind if kind.cached == "object" else partial(kind)
