"""The objects from which the binding of a claim or a volume is decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairlead.api.core.persistentvolume.types import PersistentVolume
from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.storage.storageclass.kind import StorageClass, is_default
from fairlead.base.dataclass import dataclass, field
from fairlead.base.keys import join_key
from fairlead.storage.matching import class_of_claim


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The cached objects of the cluster."""

    volumes: Mapping[str, PersistentVolume]
    claims: Mapping[str, PersistentVolumeClaim]
    """Claims by `namespace/name`."""
    classes: Mapping[str, StorageClass]
    waiting_pods: Sequence[str] = field(default_factory=tuple)
    """Names of the pods without a node that use the claim."""

    def class_of(self, claim: PersistentVolumeClaim) -> StorageClass | None:
        return self.classes.get(class_of_claim(claim))

    def claim_at(self, ref: ObjectReference) -> PersistentVolumeClaim | None:
        """Returns the claim that a volume refers to; None if it was deleted, even if another has its name."""
        claim = self.claims.get(join_key(ref.namespace, ref.name))
        return claim if claim is not None and claim.metadata.uid == ref.uid else None

    def default_class(self) -> str:
        """Returns the name of the newest default class, of several the first by name; empty without one."""
        marked = [found.metadata for found in self.classes.values() if is_default(found)]
        newest = max((meta.creationTimestamp or "" for meta in marked), default="")
        return min((meta.name for meta in marked if (meta.creationTimestamp or "") == newest), default="")
