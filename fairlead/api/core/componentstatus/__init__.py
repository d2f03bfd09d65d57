"""The ComponentStatus kind: the health of the scheduler, the controllers and the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.core.componentstatus.kind import ComponentStatus

COMPONENT_STATUS: Kind[ComponentStatus] = declare(
    f"{__name__}.kind",
    Identity(
        kind="ComponentStatus",
        plural="componentstatuses",
        singular="componentstatus",
        short_names=("cs",),
        namespaced=False,
        verbs=("get", "list"),
        computed=True,
        cached="nothing",
    ),
)
