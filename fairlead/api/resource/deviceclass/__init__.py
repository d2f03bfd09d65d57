"""The DeviceClass kind: a choice of devices that claims can name. No component allocates devices yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.resource.deviceclass.kind import DeviceClass

DEVICE_CLASS: Kind[DeviceClass] = declare(
    f"{__name__}.kind",
    Identity(
        kind="DeviceClass",
        group="resource.k8s.io",
        plural="deviceclasses",
        storage_path="deviceclasses",
        singular="deviceclass",
        namespaced=False,
        generation=True,
    ),
)
