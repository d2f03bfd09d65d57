"""References from managed objects to their owners."""

from __future__ import annotations

from fairlead.api.meta.types import ObjectMeta, OwnerReference


def controller_reference(api_version: str, kind: str, meta: ObjectMeta) -> OwnerReference:
    """Returns the owner reference from a managed object to its controller."""
    return OwnerReference(
        apiVersion=api_version,
        kind=kind,
        name=meta.name,
        uid=meta.uid,
        controller=True,
        blockOwnerDeletion=True,
    )
