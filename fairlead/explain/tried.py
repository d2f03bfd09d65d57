"""Observations of a running cluster beside the API's objects: connections and questions that were tried, connections
that the kernel tracks, and the rules that a packet meets. Plain values; the caller observes.
"""

from __future__ import annotations

from typing import NamedTuple

from fairlead.explain.outcomes import ANSWERED
from fairlead.explain.words import Message


class Dial(NamedTuple):
    """One connection to a port of the Service (TCP)."""

    port: str
    """Port and protocol, such as `80/TCP`."""
    address: str
    number: int
    outcome: str
    detail: str = ""


class Reply(NamedTuple):
    """The outcome of a request to a port of the Service beyond a connection."""

    port: str
    """Port and protocol, such as `80/TCP`."""
    address: str
    number: int
    kind: str
    """The request: `get`, `options`, `tls`, `dns` or `udp`."""
    outcome: str
    detail: str = ""
    said: str = ""
    """Status line of HTTP, or the code of a DNS answer."""
    spoken: str = ""
    """Protocol of the answer: `http`, `https`, or empty if it does not tell."""
    ms: float = 0.0
    """Milliseconds until the answer."""


class Lookup(NamedTuple):
    """The question for the Service's name, asked of the cluster's DNS, or of the sender's own servers."""

    name: str
    server: str
    outcome: str
    rcode: str = ""
    """Such as NOERROR or NXDOMAIN."""
    aliases: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    own_servers: tuple[str, ...] = ()
    """The sender's name servers if it does not ask the cluster's DNS."""


class Route(NamedTuple):
    """The way of a packet by the rules in the kernel."""

    port: str
    ends: tuple[Message, ...]
    """Ends other than an endpoint, such as `100 % dropped: ...`."""
    differences: tuple[Message, ...]
    """Differences between the kernel's rules and those that the objects demand."""


class Tried(NamedTuple):
    sender: str
    """The place, such as `node1`, `pod/client` or `this machine`."""
    dials: tuple[Dial, ...] = ()
    endpoints: tuple[Dial, ...] = ()
    """Connections to endpoints without a Pod, one for each address and port."""
    lookup: Lookup | None = None
    stale: tuple[Message, ...] = ()
    """Tracked UDP connections whose endpoint no longer serves."""
    routes: tuple[Route, ...] = ()
    replies: tuple[Reply, ...] = ()

    @property
    def failed(self) -> Dial | None:
        return next((one for one in self.dials if one.outcome != ANSWERED), None)
