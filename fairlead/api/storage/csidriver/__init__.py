"""The CSIDriver kind: abilities of a CSI volume driver. The cluster runs no CSI drivers; clients read the objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.storage.csidriver.kind import CSIDriver

CSI_DRIVER: Kind[CSIDriver] = declare(
    f"{__name__}.kind",
    Identity(
        kind="CSIDriver",
        group="storage.k8s.io",
        plural="csidrivers",
        storage_path="csidrivers",
        singular="csidriver",
        namespaced=False,
        generation=True,
    ),
)
