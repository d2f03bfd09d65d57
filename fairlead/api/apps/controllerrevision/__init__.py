"""The ControllerRevision kind: a stored version of a workload's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.apps.controllerrevision.kind import ControllerRevision

CONTROLLER_REVISION: Kind[ControllerRevision] = declare(
    f"{__name__}.kind",
    Identity(
        kind="ControllerRevision",
        group="apps",
        plural="controllerrevisions",
        storage_path="controllerrevisions",
        singular="controllerrevision",
    ),
)
