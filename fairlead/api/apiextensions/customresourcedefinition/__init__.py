"""The CustomResourceDefinition kind: kinds that users add to the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.apiextensions.customresourcedefinition.types import CustomResourceDefinition

CUSTOM_RESOURCE_DEFINITION: Kind[CustomResourceDefinition] = declare(
    f"{__name__}.kind",
    Identity(
        kind="CustomResourceDefinition",
        group="apiextensions.k8s.io",
        plural="customresourcedefinitions",
        singular="customresourcedefinition",
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        namespaced=False,
        status=True,
        generation=True,
    ),
)
