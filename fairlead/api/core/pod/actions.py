"""The bodies of a pod's subresources `binding` (core/v1) and `eviction` (policy/v1)."""

from __future__ import annotations

from typing import Annotated

import msgspec

from fairlead.api.meta.deleteoptions import DeleteOptions
from fairlead.api.meta.reference import ObjectReference
from fairlead.api.meta.types import Object
from fairlead.machinery.kind import Atomic


class Binding(Object):
    """Puts the pod on the node that `target` names."""

    target: Annotated[ObjectReference, Atomic()] = msgspec.field(default_factory=ObjectReference)


class Eviction(Object):
    deleteOptions: DeleteOptions | None = None
