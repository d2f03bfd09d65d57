"""The LimitRange kind: bounds and defaults for the resources of single objects of a namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.core.limitrange.kind import LimitRange

LIMIT_RANGE: Kind[LimitRange] = declare(
    f"{__name__}.kind",
    Identity(kind="LimitRange", plural="limitranges", singular="limitrange", short_names=("limits",)),
)
