"""The ResourceClaimTemplate kind: a claim that is made for each pod. No component makes claims from it yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.resource.resourceclaimtemplate.kind import ResourceClaimTemplate

RESOURCE_CLAIM_TEMPLATE: Kind[ResourceClaimTemplate] = declare(
    f"{__name__}.kind",
    Identity(
        kind="ResourceClaimTemplate",
        group="resource.k8s.io",
        plural="resourceclaimtemplates",
        storage_path="resourceclaimtemplates",
        singular="resourceclaimtemplate",
    ),
)
