"""The PodMetrics kind: processor and memory usage of the containers of a pod, measured when a client asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.metrics.podmetrics.kind import PodMetrics

POD_METRICS: Kind[PodMetrics] = declare(
    f"{__name__}.kind",
    Identity(
        kind="PodMetrics",
        group="metrics.k8s.io",
        version="v1beta1",
        plural="pods",
        singular="podmetrics",
        verbs=("get", "list"),
        computed=True,
        cached="nothing",
    ),
)
