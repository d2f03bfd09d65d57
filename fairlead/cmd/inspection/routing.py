"""The way of packets to a Service by the rules in the kernels, in the words of `explain`."""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.api.core.service.spec import ServicePort
from fairlead.base.texts import Text, text
from fairlead.cmd.inspection.inspecting import Inspected, Inspector
from fairlead.explain.snapshot import Snapshot
from fairlead.explain.tried import Route
from fairlead.proxy.inspection.places import PlaceError, find_destination, find_sender
from fairlead.proxy.inspection.tracing import outcome_text, trace
from fairlead.proxy.inspection.walk import End
from fairlead.proxy.inspection.world import family_of

_ENDPOINTS = frozenset(("pod", "node", "outside"))
"""Kinds of ends at which something may answer."""


def routes(inspector: Inspector, s: Snapshot, sender: str, ports: Sequence[ServicePort]) -> tuple[Route, ...]:
    """Returns the ways from a sender (`pod/NAME`, `node/NAME`, `host`) to the ports. Raises CommandError."""
    inspected = inspector.inspect()
    found = (_route(inspected, s, sender, port) for port in ports)
    return tuple(route for route in found if route is not None)


def _route(inspected: Inspected, s: Snapshot, sender: str, port: ServicePort) -> Route | None:
    world, objects = inspected.world, inspected.objects.named(inspected.domain)
    protocol = (port.protocol or "TCP").lower()
    try:
        destination = find_destination(
            f"svc/{s.name}:{port.port}", objects, world, namespace=s.namespace, family=None, protocol=protocol
        )
        if not destination.addresses:
            return None
        family = family_of(destination.addresses[0][0])
        start = find_sender(sender, objects, world, namespace=s.namespace, family=family)
    except PlaceError:
        return None
    result = trace(world, start, destination)
    bad = tuple(_words(end) for end in result.ends if end.kind not in _ENDPOINTS)
    return Route(f"{port.port}/{protocol.upper()}", bad, result.differences)


def _words(end: End) -> Text:
    shown = outcome_text(end.kind)
    if not end.reason:
        return text("{share} {kind}", share=f"{end.probability:.0%}", kind=shown)
    return text("{share} {kind}: {reason}", share=f"{end.probability:.0%}", kind=shown, reason=end.why)
