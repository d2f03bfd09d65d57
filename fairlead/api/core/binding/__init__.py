"""The Binding kind: the assignment of a pod to a node, which is posted and not stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.core.pod.actions import Binding

BINDING: Kind[Binding] = declare(
    f"{__name__}.kind",
    Identity(
        kind="Binding",
        plural="bindings",
        singular="binding",
        verbs=("create",),
        computed=True,
        cached="nothing",
    ),
)
