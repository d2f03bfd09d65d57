"""Objects of any kind reduced to their metadata: a cache of these is small, however large the objects are."""

from __future__ import annotations

from typing import Any

from fairlead.api.meta.types import Object
from fairlead.machinery.kinds.declared import with_type
from fairlead.machinery.kinds.kind import Kind


class Partial(Object, forbid_unknown_fields=False):
    """`kind`, `apiVersion` and `metadata`; the decoder skips all other fields."""


def partial(kind: Kind[Any]) -> Kind[Partial]:
    """Returns the same resource, read as `Partial`."""
    return with_type(kind, Partial)
