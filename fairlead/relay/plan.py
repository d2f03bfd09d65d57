"""Which ports of the host a Service publishes."""

from __future__ import annotations

from collections.abc import Iterable

from fairlead.api.backends import backends, has_node_ports
from fairlead.api.endpointslice import EndpointSlice
from fairlead.api.service import Service


def host_ports(service: Service | None, slices: Iterable[EndpointSlice]) -> frozenset[int]:
    """The TCP node ports behind which somebody serves. One without is not listened on: a connection that is taken and
    then dropped tells less than one that is refused."""
    if service is None or not has_node_ports(service):
        return frozenset()
    known = list(slices)
    return frozenset(
        port.nodePort
        for port in service.spec.ports
        if port.nodePort and (port.protocol or "TCP") == "TCP" and backends(port, known)
    )
