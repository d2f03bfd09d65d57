"""Any kind's objects reduced to their metadata: a cache of these is small, whatever the objects hold."""

from __future__ import annotations

import dataclasses
from typing import Any

from fairlead.api.meta.types import Object
from fairlead.machinery.kind import Kind


class Partial(Object, forbid_unknown_fields=False):
    """`kind`, `apiVersion` and `metadata`; all else is skipped over."""


def partial(kind: Kind[Any]) -> Kind[Partial]:
    """The same resource, read as `Partial`."""
    return dataclasses.replace(kind, type=Partial, own_codec=None)
