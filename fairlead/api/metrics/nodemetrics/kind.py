"""The NodeMetrics kind: processor and memory usage of a node, measured when a client asks."""

from typing import Annotated

import msgspec

from fairlead.api.meta.columns import NAME
from fairlead.api.meta.types import Object, Resources, Time
from fairlead.api.metrics.columns import usage_columns
from fairlead.machinery.kinds.kind import Doc, Format, Strategy


class NodeMetrics(Object):
    """Usage of a node: its containers and its own processes."""

    timestamp: Annotated[Time, Doc("End of the time over which the usage was measured.")] | None = None
    window: Annotated[
        str, Format("duration"), Doc("Length of the time over which the usage was measured, such as 15s.")
    ] = msgspec.field(default_factory=str)
    usage: Annotated[
        Resources, Doc("Processor cores used on average over the window, and memory in use at its end.")
    ] = msgspec.field(default_factory=dict[str, str | int | float])


STRATEGY: Strategy[NodeMetrics] = Strategy(
    type=NodeMetrics, columns=(NAME, *usage_columns(lambda found: [found.usage]))
)
