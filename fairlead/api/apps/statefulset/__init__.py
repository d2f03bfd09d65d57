"""The StatefulSet kind: keeps a number of pods with stable names and volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.apps.statefulset.kind import StatefulSet

STATEFUL_SET: Kind[StatefulSet] = declare(
    f"{__name__}.kind",
    Identity(
        kind="StatefulSet",
        group="apps",
        plural="statefulsets",
        storage_path="statefulsets",
        singular="statefulset",
        short_names=("sts",),
        categories=("all",),
        status=True,
        scale=True,
        generation=True,
    ),
)
