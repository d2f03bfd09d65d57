"""The PriorityLevelConfiguration kind. The API server stores and checks priority levels; it limits no requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.flowcontrol.prioritylevelconfiguration.types import PriorityLevelConfiguration

PRIORITY_LEVEL_CONFIGURATION: Kind[PriorityLevelConfiguration] = declare(
    f"{__name__}.kind",
    Identity(
        kind="PriorityLevelConfiguration",
        group="flowcontrol.apiserver.k8s.io",
        plural="prioritylevelconfigurations",
        storage_path="prioritylevelconfigurations",
        singular="prioritylevelconfiguration",
        namespaced=False,
        status=True,
        generation=True,
    ),
)
