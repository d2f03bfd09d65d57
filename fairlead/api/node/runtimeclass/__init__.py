"""The RuntimeClass kind: a way to run containers, with its cost. Nodes run all classes in the same way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.node.runtimeclass.kind import RuntimeClass

RUNTIME_CLASS: Kind[RuntimeClass] = declare(
    f"{__name__}.kind",
    Identity(
        kind="RuntimeClass",
        group="node.k8s.io",
        plural="runtimeclasses",
        storage_path="runtimeclasses",
        singular="runtimeclass",
        namespaced=False,
    ),
)
