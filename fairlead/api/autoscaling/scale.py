"""The `scale` subresource (autoscaling/v1): desired and observed number of replicas."""

from __future__ import annotations

import msgspec

from fairlead.api.meta.types import Int32, Object, Record


class ScaleSpec(Record):
    """Desired number of replicas of the workload."""

    replicas: Int32 = 0


class ScaleStatus(Record):
    """Observed number of replicas of the workload, and the selector of its pods."""

    replicas: Int32 = msgspec.field(default_factory=int)
    selector: str = ""


class Scale(Object):
    """Desired and observed number of replicas of a workload; read and written through the `scale` subresource."""

    spec: ScaleSpec = msgspec.field(default_factory=ScaleSpec)
    status: ScaleStatus = msgspec.field(default_factory=ScaleStatus)
