"""The HorizontalPodAutoscaler kind (v2): changes the number of a workload's pods by metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.autoscaling.horizontalpodautoscaler.types import HorizontalPodAutoscaler

HORIZONTAL_POD_AUTOSCALER: Kind[HorizontalPodAutoscaler] = declare(
    f"{__name__}.kind",
    Identity(
        kind="HorizontalPodAutoscaler",
        group="autoscaling",
        version="v2",
        plural="horizontalpodautoscalers",
        storage_path="horizontalpodautoscalers",
        singular="horizontalpodautoscaler",
        short_names=("hpa",),
        categories=("all",),
        status=True,
    ),
)
