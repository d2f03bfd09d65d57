"""The NodeMetrics kind: processor and memory usage of a node, measured when a client asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.machinery.kinds.declared import declare
from fairlead.machinery.kinds.kind import Identity, Kind

if TYPE_CHECKING:
    from fairlead.api.metrics.nodemetrics.kind import NodeMetrics

NODE_METRICS: Kind[NodeMetrics] = declare(
    f"{__name__}.kind",
    Identity(
        kind="NodeMetrics",
        group="metrics.k8s.io",
        version="v1beta1",
        plural="nodes",
        singular="nodemetrics",
        namespaced=False,
        verbs=("get", "list"),
        computed=True,
        cached="nothing",
    ),
)
