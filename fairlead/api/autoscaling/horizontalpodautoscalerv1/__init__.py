"""The HorizontalPodAutoscaler kind in its first version: one metric, the use of cpu."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.api.autoscaling.horizontalpodautoscaler import HORIZONTAL_POD_AUTOSCALER
from fairlead.machinery.kinds.declared import declare, deferred
from fairlead.machinery.kinds.kind import Conversion, Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.autoscaling.horizontalpodautoscalerv1.types import HorizontalPodAutoscaler

_CONVERSION = f"{__name__}.conversion"
HORIZONTAL_POD_AUTOSCALER_V1: Kind[HorizontalPodAutoscaler] = declare(
    f"{__name__}.kind",
    Identity(
        kind="HorizontalPodAutoscaler",
        group="autoscaling",
        version="v1",
        plural="horizontalpodautoscalers",
        singular="horizontalpodautoscaler",
        short_names=("hpa",),
        categories=("all",),
        status=True,
        conversion=Conversion(
            HORIZONTAL_POD_AUTOSCALER, deferred(_CONVERSION, "to_storage"), deferred(_CONVERSION, "from_storage")
        ),
    ),
)
