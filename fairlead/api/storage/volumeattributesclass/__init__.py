"""The VolumeAttributesClass kind: attributes of volumes that can be changed later; stored for clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.storage.volumeattributesclass.kind import VolumeAttributesClass

VOLUME_ATTRIBUTES_CLASS: Kind[VolumeAttributesClass] = declare(
    f"{__name__}.kind",
    Identity(
        kind="VolumeAttributesClass",
        group="storage.k8s.io",
        plural="volumeattributesclasses",
        storage_path="volumeattributesclasses",
        singular="volumeattributesclass",
        short_names=("vac",),
        namespaced=False,
    ),
)
