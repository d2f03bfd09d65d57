"""Finds stale UDP entries of conntrack: those whose destination is not among the endpoints of their Service.

The kernel translates a flow like its first packet, for as long as packets come. A TCP connection to a removed
endpoint ends by itself, but a UDP client would keep sending to the removed endpoint (upstream's proxy deletes such
entries too). The same holds for a flow that began before the Service existed or had endpoints: it is not translated
at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from fairlead.base.dataclass import dataclass
from fairlead.net.conntrack.model import Flow
from fairlead.proxy.planning.backend import Address, EndpointLookup, UdpFrontend
from fairlead.proxy.planning.proxierconfig import ProxierConfig
from fairlead.service.node import NodeView


@dataclass(frozen=True, slots=True)
class Destinations:
    """The destinations that distinguish a Service's flow from others."""

    addresses: frozenset[str]
    """The node's own addresses that have node ports."""
    services: tuple[IPv4Network | IPv6Network, ...]
    """The ranges in which only Services have addresses."""


def destinations(node: NodeView, proxier: ProxierConfig) -> Destinations:
    return Destinations(
        frozenset(ip for ip in node.addresses if proxier.has_node_ports(ip)),
        tuple(ip_network(text) for text in proxier.services),
    )


def stale_entries(
    flows: Iterable[Flow],
    plans: EndpointLookup,
    destinations: Destinations,
    *,
    changed: frozenset[UdpFrontend] | None = None,
) -> Iterator[Flow]:
    """Returns the entries that the present plans would not create; only those at `changed` frontends, if given."""
    known: dict[UdpFrontend, frozenset[Address] | None] = {}

    def answering(frontend: UdpFrontend) -> frozenset[Address] | None:
        if frontend not in known:
            known[frontend] = plans.endpoints_of(frontend)
        return known[frontend]

    for flow in flows:
        by_address, by_port = UdpFrontend(flow.target, flow.port), UdpFrontend("", flow.port)
        is_node_port = flow.target in destinations.addresses
        if changed is not None and by_address not in changed and not (is_node_port and by_port in changed):
            continue
        endpoints = answering(by_address)
        if endpoints is None and is_node_port:
            endpoints = answering(by_port)
        if endpoints is not None:
            if (flow.answered_by, flow.answered_from) not in endpoints:
                yield flow
        elif _translated(flow) and (changed is not None or _in_any(flow.target, destinations.services)):
            yield flow


def _translated(flow: Flow) -> bool:
    return (flow.target, flow.port) != (flow.answered_by, flow.answered_from)


def _in_any(target: str, ranges: Iterable[IPv4Network | IPv6Network]) -> bool:
    ip = ip_address(target)
    return any(ip in network for network in ranges)
