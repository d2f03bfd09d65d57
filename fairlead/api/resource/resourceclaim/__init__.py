"""The ResourceClaim kind: a request for devices. No component allocates devices yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.resource.resourceclaim.types import ResourceClaim

RESOURCE_CLAIM: Kind[ResourceClaim] = declare(
    f"{__name__}.kind",
    Identity(
        kind="ResourceClaim",
        group="resource.k8s.io",
        plural="resourceclaims",
        storage_path="resourceclaims",
        singular="resourceclaim",
        status=True,
    ),
)
