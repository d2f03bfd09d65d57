"""The VolumeAttachment kind: the wish that a volume be attached to a node. The cluster attaches none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.storage.volumeattachment.kind import VolumeAttachment

VOLUME_ATTACHMENT: Kind[VolumeAttachment] = declare(
    f"{__name__}.kind",
    Identity(
        kind="VolumeAttachment",
        group="storage.k8s.io",
        plural="volumeattachments",
        storage_path="volumeattachments",
        singular="volumeattachment",
        namespaced=False,
        status=True,
    ),
)
