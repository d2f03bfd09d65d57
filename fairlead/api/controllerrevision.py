"""A controller revision: a stored version of a workload's settings."""

from __future__ import annotations

import msgspec

from fairlead.api.columns import AGE, NAME, NONE
from fairlead.api.meta import Int64, Object, controller_of
from fairlead.base.instant import Instant
from fairlead.machinery.kind import Column, Kind


class ControllerRevision(Object):
    data: msgspec.Raw | None = None
    revision: Int64 = msgspec.field(default_factory=int)


def _controller(revision: ControllerRevision, _: Instant) -> str:
    owner = controller_of(revision.metadata)
    if owner is None:
        return NONE
    group = owner.apiVersion.rpartition("/")[0]
    return f"{owner.kind.lower()}.{group}/{owner.name}" if group else f"{owner.kind.lower()}/{owner.name}"


CONTROLLER_REVISION = Kind(
    type=ControllerRevision,
    kind="ControllerRevision",
    group="apps",
    plural="controllerrevisions",
    singular="controllerrevision",
    columns=(
        NAME,
        Column("Controller", _controller, doc="Whose version it is."),
        Column("Revision", lambda revision, _: revision.revision, doc="The version's number."),
        AGE,
    ),
)
