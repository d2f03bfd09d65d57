"""The PodMetrics kind: processor and memory usage of the containers of a pod, measured when a client asks."""

from typing import Annotated

import msgspec

from fairlead.api.meta.columns import NAME
from fairlead.api.meta.types import Object, Record, Resources, Time, empty_list
from fairlead.api.metrics.columns import usage_columns
from fairlead.machinery.kinds.kind import Atomic, Doc, Format, Strategy


class ContainerMetrics(Record):
    """Usage of one container of a pod."""

    name: Annotated[str, Doc("Name of the container, as in the spec of the pod.")] = msgspec.field(default_factory=str)
    usage: Annotated[
        Resources, Doc("Processor cores used on average over the window, and memory in use at its end.")
    ] = msgspec.field(default_factory=dict[str, str | int | float])


class PodMetrics(Object):
    """Usage of the running containers of a pod."""

    timestamp: Annotated[Time, Doc("End of the time over which the usage was measured.")] | None = None
    window: Annotated[
        str, Format("duration"), Doc("Length of the time over which the usage was measured, such as 15s.")
    ] = msgspec.field(default_factory=str)
    containers: Annotated[
        list[ContainerMetrics], Atomic(), Doc("Usage of each running container over the same window.")
    ] = msgspec.field(default_factory=empty_list)


STRATEGY: Strategy[PodMetrics] = Strategy(
    type=PodMetrics,
    columns=(NAME, *usage_columns(lambda found: [one.usage for one in found.containers])),
)
