"""Objects of any kind reduced to their metadata: a cache of these is small, however large the objects are."""

from __future__ import annotations

import dataclasses
from typing import Any

from fairlead.api.meta.types import Object
from fairlead.machinery.kinds.kind import Kind


class Partial(Object, forbid_unknown_fields=False):
    """`kind`, `apiVersion` and `metadata`; the decoder skips all other fields."""


def partial(kind: Kind[Any]) -> Kind[Partial]:
    """Returns the same resource, read as `Partial`."""
    return dataclasses.replace(kind, type=Partial, own_codec=None)
