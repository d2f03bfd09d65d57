"""The DaemonSet kind: keeps a pod on every node that matches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.apps.daemonset.kind import DaemonSet

DAEMON_SET: Kind[DaemonSet] = declare(
    f"{__name__}.kind",
    Identity(
        kind="DaemonSet",
        group="apps",
        plural="daemonsets",
        storage_path="daemonsets",
        singular="daemonset",
        short_names=("ds",),
        categories=("all",),
        status=True,
        generation=True,
    ),
)
