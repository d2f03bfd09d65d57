"""The PodDisruptionBudget kind: bounds the pods of an application that evictions may take away at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.policy.poddisruptionbudget.kind import PodDisruptionBudget

POD_DISRUPTION_BUDGET: Kind[PodDisruptionBudget] = declare(
    f"{__name__}.kind",
    Identity(
        kind="PodDisruptionBudget",
        group="policy",
        plural="poddisruptionbudgets",
        storage_path="poddisruptionbudgets",
        singular="poddisruptionbudget",
        short_names=("pdb",),
        status=True,
        generation=True,
    ),
)
