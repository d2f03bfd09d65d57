"""The CSIStorageCapacity kind: free space for a storage class in a part of the cluster; stored for clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.storage.csistoragecapacity.kind import CSIStorageCapacity

CSI_STORAGE_CAPACITY: Kind[CSIStorageCapacity] = declare(
    f"{__name__}.kind",
    Identity(
        kind="CSIStorageCapacity",
        group="storage.k8s.io",
        plural="csistoragecapacities",
        storage_path="csistoragecapacities",
        singular="csistoragecapacity",
    ),
)
