"""The PodTemplate kind: a stored template of pods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.core.podtemplate.kind import PodTemplate

POD_TEMPLATE: Kind[PodTemplate] = declare(
    f"{__name__}.kind",
    Identity(kind="PodTemplate", plural="podtemplates", singular="podtemplate", generation=True),
)
