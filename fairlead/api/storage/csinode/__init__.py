"""The CSINode kind: the CSI drivers that are installed on a node. The cluster runs none; clients read the objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.storage.csinode.kind import CSINode

CSI_NODE: Kind[CSINode] = declare(
    f"{__name__}.kind",
    Identity(
        kind="CSINode",
        group="storage.k8s.io",
        plural="csinodes",
        storage_path="csinodes",
        singular="csinode",
        namespaced=False,
    ),
)
