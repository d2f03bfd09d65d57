"""Ownership of objects: an object belongs to the controller in its owner references, and a controller adopts free
objects that its selector matches. Pure: the result has the patches to write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec

from fairlead.api.meta.types import Object, OwnerReference, controller_of
from fairlead.base.dataclass import dataclass
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.values.selectors import LabelRequirements
from fairlead.runtime.plan import Patch

T = TypeVar("T", bound=Object)


@dataclass(frozen=True, slots=True)
class Claim(Generic[T]):
    """The owned objects, and the patches that change owner references."""

    owned: tuple[T, ...]
    """Managed and matching, in the order given."""
    patches: tuple[Patch, ...]
    """Adoptions and releases still to be written."""


def claim(
    kind: Kind[T], owner: OwnerReference, objects: Sequence[T], selector: LabelRequirements, *, adopt: bool
) -> Claim[T]:
    """Returns the objects that `owner` manages. An adopted object counts as owned only after the patch is written."""
    owned: list[T] = []
    patches: list[Patch] = []
    for obj in objects:
        manager = controller_of(obj.metadata)
        matches = selector.matches(obj.metadata.labels)
        if manager is None:
            if matches and adopt and not obj.metadata.deletionTimestamp:
                patches.append(_owners_patch(kind, obj, [*obj.metadata.ownerReferences, owner]))
        elif manager.uid == owner.uid:
            if matches:
                owned.append(obj)
            elif adopt and not obj.metadata.deletionTimestamp:
                rest = [ref for ref in obj.metadata.ownerReferences if ref.uid != owner.uid]
                patches.append(_owners_patch(kind, obj, rest))
    return Claim(tuple(owned), tuple(patches))


def _owners_patch(kind: Kind[T], obj: T, references: Sequence[OwnerReference]) -> Patch:
    meta = obj.metadata
    body: dict[str, Any] = {
        "uid": meta.uid,
        "resourceVersion": meta.resourceVersion,
        "ownerReferences": [msgspec.to_builtins(ref) for ref in references],
    }
    return Patch(kind, meta.name, meta.namespace, {"metadata": body})
