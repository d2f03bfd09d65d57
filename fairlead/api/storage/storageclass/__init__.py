"""The StorageClass kind: the provisioner that makes volumes for claims, and its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.storage.storageclass.kind import StorageClass

STORAGE_CLASS: Kind[StorageClass] = declare(
    f"{__name__}.kind",
    Identity(
        kind="StorageClass",
        group="storage.k8s.io",
        plural="storageclasses",
        storage_path="storageclasses",
        singular="storageclass",
        short_names=("sc",),
        namespaced=False,
    ),
)
