"""Which UDP flows are to be forgotten: those that go where their Service's endpoints are not.

The kernel translates a flow as it did its first packet, for as long as packets come. A TCP connection to an endpoint
that has gone ends by itself; a UDP client would talk to nobody for ever (upstream's proxy forgets them too). So would
one that began before the Service had endpoints, or before there was the Service: its flow is not translated at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

from fairlead.net.conntrack.model import Flow
from fairlead.net.nft.model import Change
from fairlead.proxy.ledger import Ledger
from fairlead.proxy.rules import ENDPOINTS, OUTSIDE, SERVICES, UNSERVED

Address = tuple[str, int]

_PARTS = {
    **dict.fromkeys((SERVICES, OUTSIDE, ENDPOINTS, UNSERVED), 3),
    **{f"node_{name}": 2 for name in (SERVICES, OUTSIDE, ENDPOINTS, UNSERVED)},
}
"""How many parts of a key are the frontend, by container."""


def changed_frontends(changes: Iterable[Change]) -> frozenset[str]:
    """The UDP addresses and node ports of Services whose endpoints are not what they were."""
    return frozenset(
        " . ".join(change.key.split(" . ")[: _PARTS[change.container]])
        for change in changes
        if change.container in _PARTS and change.key.startswith("udp . ")
    )


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What tells a Service's flow from others."""

    addresses: frozenset[str]
    """The node's own, at which it has node ports."""
    services: IPv4Network | IPv6Network


def stale_flows(
    flows: Iterable[Flow], ledger: Ledger, around: Surroundings, *, changed: frozenset[str] | None = None
) -> Iterator[Flow]:
    """Those that the Services in the ledger would not make again as they are; only at `changed` frontends if given."""
    known: dict[str, frozenset[Address] | None] = {}

    def answering(prefix: str, frontend: str) -> frozenset[Address] | None:
        if prefix + frontend not in known:
            known[prefix + frontend] = _answering(ledger, prefix, frontend)
        return known[prefix + frontend]

    for flow in flows:
        by_address, by_port = f"udp . {flow.target} . {flow.port}", f"udp . {flow.port}"
        is_node_port = flow.target in around.addresses
        if changed is not None and by_address not in changed and not (is_node_port and by_port in changed):
            continue
        endpoints = answering("", by_address)
        if endpoints is None and is_node_port:
            endpoints = answering("node_", by_port)
        if endpoints is not None:
            if (flow.answered_by, flow.answered_from) not in endpoints:
                yield flow
        elif _translated(flow) and (changed is not None or ip_address(flow.target) in around.services):
            yield flow


def _translated(flow: Flow) -> bool:
    return (flow.target, flow.port) != (flow.answered_by, flow.answered_from)


def _answering(ledger: Ledger, prefix: str, frontend: str) -> frozenset[Address] | None:
    """The endpoints behind a frontend; None where there is no such frontend."""
    if ledger.owner(prefix + UNSERVED, frontend) is not None:
        return frozenset()
    plan = ledger.owner(prefix + SERVICES, frontend)
    if plan is None:
        return None
    values = plan.elements.get(prefix + ENDPOINTS, {})
    pairs = (value.split(" . ") for key, value in values.items() if key.startswith(f"{frontend} . "))
    return frozenset((ip, int(port)) for ip, port in pairs)
