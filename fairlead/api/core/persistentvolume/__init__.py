"""The PersistentVolume kind: a piece of storage of the cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.core.persistentvolume.types import PersistentVolume

PERSISTENT_VOLUME: Kind[PersistentVolume] = declare(
    f"{__name__}.kind",
    Identity(
        kind="PersistentVolume",
        plural="persistentvolumes",
        singular="persistentvolume",
        short_names=("pv",),
        namespaced=False,
        status=True,
    ),
)
