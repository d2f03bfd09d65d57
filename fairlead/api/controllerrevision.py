"""A controller revision: a stored version of a workload's settings."""

from __future__ import annotations

import msgspec

from fairlead.api.meta import Int64, Object
from fairlead.machinery.kind import Kind


class ControllerRevision(Object):
    data: msgspec.Raw | None = None
    revision: Int64 = 0


CONTROLLER_REVISION = Kind(
    type=ControllerRevision,
    kind="ControllerRevision",
    group="apps",
    plural="controllerrevisions",
    singular="controllerrevision",
)
