"""Worlds for traces: two nodes whose rules are planned, and optionally read from the kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fairlead.api.core.service.kind import Service
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.base.keys import key_of
from fairlead.net.family import IPV6, Family
from fairlead.net.trace import Packet
from fairlead.proxy.inspection.owners import Owners
from fairlead.proxy.inspection.planned import plan_rules
from fairlead.proxy.inspection.ruleset import NodeText, parse_rules
from fairlead.proxy.inspection.walk import End, Sender, ends
from fairlead.proxy.inspection.world import NodeRules, Source, World
from fairlead.proxy.planning.nodes import node_views
from fairlead.service.frontends import load_balancer_vips
from fairlead.service.members import service_of
from fairlead.service.node import NodeView
from tests.proxy.backends import BOTH, Kind, pods, proxier_of
from tests.proxy.objects import NETWORK
from tests.proxy.paths import ADDRESSES, EXTERNAL, NODE_OF, NODES, PODS, ZONES, Probe, six


def view(name: str, family: Family) -> NodeView:
    views = node_views(name, NETWORK.node_ip(int(name[-1])), BOTH)
    return replace(views[family is IPV6], zone=ZONES[name])


def world_of(
    services: Sequence[Service],
    slices: Sequence[EndpointSlice],
    family: Family,
    kind: Kind,
    texts: Mapping[str, NodeText] | None = None,
) -> World:
    """Returns the world of both nodes. `texts`: the kernels' rules by node."""
    by_key = {key_of(service.metadata): service for service in services}
    of = {key: [piece for piece in slices if service_of(piece) == key] for key in by_key}
    mode, proxier = "iptables" if kind.iptables else "nftables", proxier_of(family)
    nodes = []
    for name in NODES:
        plan = plan_rules(mode, by_key, of, node=view(name, family), proxier=proxier, pods=pods(family))
        kernel = parse_rules(texts[name], family) if texts is not None else None
        nodes.append(NodeRules(view(name, family), plan, kernel))
    ranges = BOTH.service_cidrs
    balanced = {ip: "node1" for service in services for ip in load_balancer_vips(service, family)}
    external = {ip: "node1" for service in services for ip in [*service.spec.externalIPs, EXTERNAL, six(EXTERNAL)]}
    return World(
        nodes=tuple(nodes),
        owners=Owners(by_key, of),
        services=tuple(map(str, ranges)),
        gateway="node1",
        announcers=external | balanced,
        host=("172.30.0.1", six("172.30.0.1")),
    )


def sender_of(who: str, family: Family, ip: str = "") -> Sender:
    """Returns a client of `paths.py`. A client of a loopback address also sends from it."""
    loopback = ip in ("127.0.0.1", "::1")
    address = ip if loopback else (six(ADDRESSES[who]) if family is IPV6 else ADDRESSES[who])
    return Sender(address, NODE_OF.get(who, ""), "veth1" if who in PODS else "")


def ends_of(world: World, probe: Probe, family: Family, source: Source) -> list[End]:
    sender = sender_of(probe.who, family, probe.ip)
    return ends(world, sender, Packet(sender.address, probe.ip, probe.port, probe.protocol), source=source)
