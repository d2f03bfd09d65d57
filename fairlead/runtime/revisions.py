"""Revisions of objects as numbers. This module does no I/O, so that plans may use it."""

from __future__ import annotations

from fairlead.api.meta.types import ObjectMeta


def revision_of(meta: ObjectMeta) -> int:
    """Returns the resourceVersion as a number; 0 if it is not set."""
    return int(meta.resourceVersion or 0)
