"""The endpoints that answer at a Service's addresses: the proxy's rules for both nodes, and packets traced through
them."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address

from fairlead.api.core.service.kind import Service
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.base.keys import key_of
from fairlead.net.family import IPV4, IPV6, Family
from fairlead.net.trace import Packet
from fairlead.proxy.planning.backend import Source
from fairlead.proxy.planning.nodes import node_views
from fairlead.service.frontends import load_balancer_ips
from fairlead.service.members import service_of
from tests.proxy.backends import BOTH, NFTABLES, proxier_of
from tests.proxy.objects import NETWORK
from tests.proxy.paths import NODES, ZONES, six

CLIENTS = {"outside": "172.30.0.1", "pod on node1": "10.244.1.250", "pod on node2": "10.244.2.250"}
TIMES = 40


async def reach(service: Service, services: Iterable[Service], slices: Iterable[EndpointSlice]) -> list[list[str]]:
    """Returns a row for each client and address of the Service: the endpoint, and whether it sees the client's
    address."""
    rows: list[list[str]] = []
    every = list(slices)
    for family in (IPV4, IPV6):
        rules = await _rules(family, list(services), every)
        for address in _addresses(service, family):
            rows += [[client, str(address), *_fate(rules, client, address, family)] for client in CLIENTS]
    return rows


class _Address:
    def __init__(self, ip: str, port: int, protocol: str) -> None:
        self.ip, self.port, self.protocol = ip, port, protocol

    def __str__(self) -> str:
        host = f"[{self.ip}]" if ":" in self.ip else self.ip
        return f"{host}:{self.port}/{self.protocol}"


def _addresses(service: Service, family: Family) -> Iterable[_Address]:
    spec = service.spec
    wide = [ip for ip in [*spec.clusterIPs, *spec.externalIPs, *load_balancer_ips(service)] if ip not in ("None", "")]
    for port in spec.ports:
        for ip in wide:
            if (ip_address(ip).version == 6) == (family is IPV6):
                yield _Address(ip, port.port, port.protocol)
        if port.nodePort and family.name in spec.ipFamilies:
            for ip in NODES.values():
                yield _Address(six(ip) if family is IPV6 else ip, port.nodePort, port.protocol)


class _Node:
    def __init__(self, name: str, family: Family) -> None:
        views = node_views(name, NETWORK.node_ip(int(name[-1])), BOTH)
        self.view = replace(views[family is IPV6], zone=ZONES[name])
        self.backend, self.tracing = NFTABLES.fake(proxier_of(family))


async def _rules(family: Family, services: list[Service], slices: list[EndpointSlice]) -> dict[str, _Node]:
    nodes = {name: _Node(name, family) for name in NODES}
    sources = {}
    for service in services:
        key = key_of(service.metadata)
        of_it = [s for s in slices if service_of(s) == key]
        sources[key] = Source(service, of_it)
    for node in nodes.values():
        node.backend.plan(sources, node=node.view)
        await node.backend.resync()
    return nodes


def _fate(nodes: dict[str, _Node], client: str, address: _Address, family: Family) -> tuple[str, str]:
    """Follows a connection's first packet through its client's node, and through the node it was sent to."""
    rng = random.Random(1)
    source = six(CLIENTS[client]) if family is IPV6 else CLIENTS[client]
    first = Packet(source, address.ip, address.port, address.protocol.lower())
    home = client.removeprefix("pod on ") if client != "outside" else ""
    found, kept = set[str](), set[str]()
    for _ in range(TIMES):
        trace = None
        if home:
            tracer = nodes[home].tracing(nodes[home].view, rng)
            trace = tracer.trace(replace(first, link="veth1"))
        if trace is None or (trace.fate == "sent" and trace.target.rpartition(":")[0].strip("[]") == address.ip):
            owner = next((n for n, ip in NODES.items() if address.ip in (ip, six(ip))), home or "node1")
            if owner != home:
                trace = nodes[owner].tracing(nodes[owner].view, rng).trace(replace(first, link="eth0"))
        assert trace is not None
        found.add(trace.target if trace.fate == "sent" else trace.fate)
        if trace.fate == "sent":
            kept.add("node's" if trace.masqueraded else "client's")
    return ", ".join(sorted(found)), ", ".join(sorted(kept)) or "-"
