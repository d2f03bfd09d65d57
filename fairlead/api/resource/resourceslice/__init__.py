"""The ResourceSlice kind: devices that drivers publish; stored for schedulers that allocate devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.resource.resourceslice.types import ResourceSlice

RESOURCE_SLICE: Kind[ResourceSlice] = declare(
    f"{__name__}.kind",
    Identity(
        kind="ResourceSlice",
        group="resource.k8s.io",
        plural="resourceslices",
        storage_path="resourceslices",
        singular="resourceslice",
        namespaced=False,
        generation=True,
    ),
)
