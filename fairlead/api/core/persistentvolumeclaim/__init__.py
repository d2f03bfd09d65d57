"""The PersistentVolumeClaim kind: a request for storage by the workloads of a namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.core.persistentvolumeclaim.kind import PersistentVolumeClaim

PERSISTENT_VOLUME_CLAIM: Kind[PersistentVolumeClaim] = declare(
    f"{__name__}.kind",
    Identity(
        kind="PersistentVolumeClaim",
        plural="persistentvolumeclaims",
        singular="persistentvolumeclaim",
        short_names=("pvc",),
        status=True,
    ),
)
