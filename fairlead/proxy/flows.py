"""Which UDP flows are to be forgotten once endpoints have changed.

The kernel translates a flow as it did its first packet, for as long as packets come. A TCP connection to an endpoint
that has gone ends by itself; a UDP client would talk to nobody for ever (upstream's proxy forgets them too).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fairlead.net.conntrack.model import Flow
from fairlead.net.nft.model import Change
from fairlead.proxy.rules import ENDPOINTS

Address = tuple[str, int]


def changed_frontends(changes: Iterable[Change]) -> frozenset[Address]:
    """The UDP addresses of Services whose endpoints are not what they were."""
    return frozenset(_frontend(c.key) for c in changes if c.container == ENDPOINTS and c.key.startswith("udp . "))


def stale_flows(
    flows: Iterable[Flow], frontends: frozenset[Address], endpoints: Iterable[Mapping[str, str]]
) -> list[Flow]:
    """Those to one of the frontends that are answered by none of its endpoints (elements of the map `endpoints`)."""
    answering: dict[Address, set[Address]] = {frontend: set() for frontend in frontends}
    for elements in endpoints:
        for key, value in elements.items():
            if key.startswith("udp . ") and (frontend := _frontend(key)) in answering:
                ip, port = value.split(" . ")
                answering[frontend].add((ip, int(port)))
    return [
        flow
        for flow in flows
        if (to := (flow.target, flow.port)) in answering and (flow.answered_by, flow.answered_from) not in answering[to]
    ]


def _frontend(key: str) -> Address:
    _, ip, port, _ = key.split(" . ")
    return ip, int(port)
