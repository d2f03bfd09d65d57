"""The ResourceQuota kind: limits of the number of objects and of the resources of a namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.core.resourcequota.kind import ResourceQuota

RESOURCE_QUOTA: Kind[ResourceQuota] = declare(
    f"{__name__}.kind",
    Identity(
        kind="ResourceQuota",
        plural="resourcequotas",
        singular="resourcequota",
        short_names=("quota",),
        status=True,
        cached="object",
    ),
)
