"""Follows the first packet of a connection from its sender through the nodes' rules to every possible end.

A node's rules decide once for each node that the packet enters: marks are not carried between nodes. The probability
of an end is the product of the draws on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Literal, NamedTuple

from fairlead.base.dataclass import dataclass, replace
from fairlead.base.keys import key_of
from fairlead.base.texts import Text, text
from fairlead.net.model import host_interface
from fairlead.net.topology.plan import NODE_LINK
from fairlead.net.trace import Dice, Packet, Step, Trace, explore
from fairlead.proxy.inspection.owners import Owner, describe
from fairlead.proxy.inspection.ruleset import RuleSet
from fairlead.proxy.inspection.world import NodeRules, Source, World, family_of
from fairlead.proxy.iptables.rules import PROXY_FIREWALL
from fairlead.proxy.nftables.rules import DROP

Kind = Literal["pod", "node", "outside", "refused", "dropped", "unreachable", "unknown"]
"""`pod`, `node`: delivered to a process there, if one listens. `outside`: leaves the cluster. `unreachable`: would
have to leave it, and does not. `unknown`: the node's rules are not known, or the packet went in a circle."""

NOT_DELIVERED = ("refused", "dropped", "unreachable")

NONE = Text("")
_MOST_HOPS = 4
LIMIT = 5000
"""The most sequences of draws that are followed."""


class Sender(NamedTuple):
    """The place that the packet starts from."""

    address: str
    node: str = ""
    """Empty: outside of all nodes."""
    link: str = ""
    """The link by which the node gets the packet; empty if the node itself sends it."""


@dataclass(frozen=True, slots=True)
class Hop:
    """A node that the packet passed."""

    node: str
    mode: str
    steps: tuple[Step, ...]
    packet: Packet
    """The packet as it entered."""


@dataclass(frozen=True, slots=True)
class End:
    """A possible end of the packet."""

    kind: Kind
    probability: float
    address: str
    port: int
    source: str
    """The sender's address, as the end sees it."""
    masqueraded_by: str
    """The node that replaced the sender's address; empty if it was kept."""
    node: str
    """The node of the end; empty outside."""
    owner: Owner
    """The endpoint, or for a refusal the Service."""
    why: Text
    """The endpoint in words, or the reason why the packet does not reach one."""
    hops: tuple[Hop, ...]

    @property
    def reason(self) -> str:
        return str(self.why)

    @property
    def outcome(self) -> tuple[str, str, int, str]:
        """Returns what an observer can see: kind, destination and the sender's address."""
        if self.kind in NOT_DELIVERED:
            return self.kind, "", 0, ""
        return self.kind, self.address, self.port, self.source


def pod_link(uid: str) -> str:
    """Returns the link by which a node gets the packets of one of its Pods."""
    return host_interface(uid)


def ends(world: World, sender: Sender, packet: Packet, *, source: Source, limit: int = LIMIT) -> list[End]:
    """Returns every possible end, the most probable first. The packet's source is the sender's address."""
    found: dict[tuple[object, ...], End] = {}
    for probability, end in explore(lambda dice: _Walk(world, packet, source, dice).run(sender), limit=limit):
        key = (*end.outcome, end.node, end.masqueraded_by, end.reason)
        known = found.get(key)
        found[key] = _with(known or end, (known.probability if known else 0.0) + probability)
    return sorted(found.values(), key=lambda end: (-end.probability, end.address, end.port, end.reason))


def _with(end: End, probability: float) -> End:
    return replace(end, probability=probability)


class _Walk:
    def __init__(self, world: World, packet: Packet, source: Source, dice: Dice) -> None:
        self._world = world
        self._first = packet
        self._source: Source = source
        self._dice = dice
        self._hops: list[Hop] = []
        self._service = world.owners.frontend(packet.protocol, packet.target, packet.port)
        if not self._service.service and world.is_nodes(packet.target):
            self._service = world.owners.frontend(packet.protocol, "", packet.port)
        self._masqueraded_by = ""

    def run(self, sender: Sender) -> End:
        family = family_of(self._first.target)
        if sender.link and self._first.target == sender.address:
            return self._end("pod", self._first, sender.node, NONE)
        node = self._world.node(sender.node, family) if sender.node else self._world.node_of(self._first.target)
        if node is None:
            reason = text("{address} is not an address of the cluster", address=self._first.target)
            return self._end("outside" if not sender.node else "unknown", self._first, "", reason)
        link = sender.link if sender.node else NODE_LINK
        packet = self._first
        while len(self._hops) < _MOST_HOPS:
            packet = Packet(packet.source, packet.target, packet.port, packet.protocol, link)
            rules = node.of(self._source)
            if rules is None:
                return self._end("unknown", packet, node.name, text("{node} has no rules of the proxy", node=node.name))
            trace = self._pass(node, rules, packet)
            assert trace.packet is not None
            packet = trace.packet
            if trace.fate != "sent":
                return self._refused(trace, node, packet)
            if trace.masqueraded:
                self._masqueraded_by = node.name
                packet = Packet(_own(node, packet.target), packet.target, packet.port, packet.protocol)
            following = self._next(node, packet)
            if isinstance(following, End):
                return following
            node, link = following, NODE_LINK
        return self._end("unknown", packet, node.name, text("the packet goes in a circle between nodes"))

    def _pass(self, node: NodeRules, rules: RuleSet, packet: Packet) -> Trace:
        local = (*node.view.addresses, str(node.view.ip))
        trace = rules.tracer(local, self._dice).trace(packet)
        self._hops.append(Hop(node.name, rules.mode, trace.steps, packet))
        return trace

    def _next(self, node: NodeRules, packet: Packet) -> NodeRules | End:
        """Returns the node that gets the packet next, or the end."""
        target = packet.target
        if target in (*node.view.addresses, str(node.view.ip)) or ip_address(target).is_loopback:
            to_node = text("goes to a program of {node} itself, if one listens", node=node.name)
            return self._end("node", packet, node.name, to_node)
        owner = self._world.node_of(target)
        if owner is None:
            if target in self._world.control:
                return self._end("outside", packet, "", text("the cluster's control plane, outside of all nodes"))
            return self._outside(packet, text("goes by the default route of {node}", node=node.name))
        if owner.name != node.name:
            return owner
        if node.view.pod_cidr is not None and ip_address(target) in node.view.pod_cidr:
            pod = self._world.owners.pod(target)
            if pod is not None or self._endpoint(packet).slice:
                return self._end("pod", packet, node.name, NONE)
            return self._end("unknown", packet, node.name, text("no Pod has the address {address}", address=target))
        only = text("{node} has no route to {address} but the default route", node=node.name, address=target)
        return self._outside(packet, only)

    def _outside(self, packet: Packet, reason: Text) -> End:
        barrier = self._world.way_out.barrier(packet.target, packet.protocol)
        return self._end("unreachable" if barrier else "outside", packet, "", barrier or reason)

    def _refused(self, trace: Trace, node: NodeRules, packet: Packet) -> End:
        kind: Kind = "dropped" if trace.fate == "dropped" else "refused"
        return self._end(kind, packet, node.name, self._reason(trace))

    def _reason(self, trace: Trace) -> Text:
        service, last = self._service, trace.rules[-1]
        name = (
            text("Service {service}", service=service.service)
            if service.service
            else text("{address} port {port}", address=self._first.target, port=self._first.port)
        )
        if "@allowed" in last.rule or last.chain == PROXY_FIREWALL:
            return text(
                "{name} does not allow clients from {source} (loadBalancerSourceRanges)",
                name=name,
                source=self._first.source,
            )
        if last.chain == DROP.name or "has no local endpoints" in last.rule:
            return text("{name} keeps traffic on its node, and no endpoint is there", name=name)
        if service.service:
            return text("{name} has no endpoints for port {port}", name=name, port=service.port)
        return text("no Service answers at {name}", name=name)

    def _endpoint(self, packet: Packet) -> Owner:
        owner = self._world.owners.endpoint(self._service.service, packet.target, packet.port)
        return owner._replace(port=self._service.port, kind=self._service.kind)

    def _end(self, kind: Kind, packet: Packet, node: str, reason: Text) -> End:
        owner = self._endpoint(packet) if kind in ("pod", "node") else self._service
        if kind == "pod":
            pod = self._world.owners.pod(packet.target)
            owner = owner._replace(pod=owner.pod or (key_of(pod.metadata) if pod else ""))
            reason = Text("{owner}", {"owner": describe(owner)})
        return End(
            kind,
            1.0,
            packet.target,
            packet.port,
            packet.source,
            self._masqueraded_by,
            node,
            owner,
            reason,
            tuple(self._hops),
        )


def _own(node: NodeRules, target: str) -> str:
    """Returns the address by which the node masquerades: that of the link by which the packet leaves."""
    gateway = [address for address in node.view.addresses if address != str(node.view.ip)]
    to_pod = node.view.pod_cidr is not None and ip_address(target) in node.view.pod_cidr
    return gateway[0] if to_pod and gateway else str(node.view.ip)


def unexplored(found: list[End]) -> float:
    """Returns the probability of the ends beyond the limit."""
    return max(0.0, 1 - sum(end.probability for end in found))


def steps(found: list[End]) -> Iterator[tuple[Hop, Step]]:
    """Yields the steps of all ends, each hop's as often as it occurs."""
    for end in found:
        for hop in end.hops:
            for step in hop.steps:
                yield hop, step
