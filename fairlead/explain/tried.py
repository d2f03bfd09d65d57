"""Observations of a running cluster beside the API's objects: connections and questions that were tried, connections
that the kernel tracks, and the rules that a packet meets. Plain values; the caller observes.
"""

from __future__ import annotations

from typing import NamedTuple

ANSWERED, REFUSED, SILENT, UNREACHABLE = "answered", "refused", "silent", "unreachable"
"""Outcomes of a connection or question: accepted, reset, without any answer in time, without a route."""


class Dial(NamedTuple):
    """One connection to a port of the Service (TCP)."""

    port: str
    """Port and protocol, such as `80/TCP`."""
    address: str
    number: int
    outcome: str
    detail: str = ""


class Lookup(NamedTuple):
    """The question for the Service's name, asked of the cluster's DNS."""

    name: str
    server: str
    outcome: str
    rcode: str = ""
    """Such as NOERROR or NXDOMAIN."""
    aliases: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()


class Route(NamedTuple):
    """The way of a packet by the rules in the kernel."""

    port: str
    ends: tuple[str, ...]
    """Ends other than an endpoint, such as `100 % dropped: ...`."""
    differences: tuple[str, ...]
    """Differences between the kernel's rules and those that the objects demand."""


class Tried(NamedTuple):
    sender: str
    """The place, such as `node1`, `pod/client` or `this machine`."""
    dials: tuple[Dial, ...] = ()
    lookup: Lookup | None = None
    stale: tuple[str, ...] = ()
    """Tracked UDP connections whose endpoint no longer serves."""
    routes: tuple[Route, ...] = ()

    @property
    def failed(self) -> Dial | None:
        return next((one for one in self.dials if one.outcome != ANSWERED), None)
