"""The bodies of a pod's subresources `binding` (core/v1) and `eviction` (policy/v1)."""

from typing import Annotated

import msgspec

from fairlead.api.meta.deleteoptions import DeleteOptions
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.meta.types import Object
from fairlead.machinery.kinds.kind import Atomic, Doc


class Binding(Object):
    """Assignment of a pod to the node that `target` names; created by schedulers."""

    target: Annotated[ObjectReference, Atomic(), Doc("Node that the pod is assigned to; only its name is used.")] = (
        msgspec.field(default_factory=ObjectReference)
    )


class Eviction(Object):
    """Request to delete a pod through its eviction subresource, which disruption budgets may refuse for now."""

    deleteOptions: DeleteOptions | None = None
