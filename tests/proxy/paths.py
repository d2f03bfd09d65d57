"""Every path to a Service: the client, the address, and the endpoints that answer. Used for tracer and kernel
alike.

Two nodes; pods `a` and `b` are on the first, `c` on the second. `fabric` is a client outside the nodes, which sends
to addresses that no node has itself through the first node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import msgspec

from fairlead.api.core.service.kind import LoadBalancerIngress, LoadBalancerStatus, Service, ServicePort, ServiceStatus
from fairlead.api.discovery.endpointslice.kind import (
    Endpoint,
    EndpointHints,
    EndpointPort,
    EndpointSlice,
    ForNode,
    ForZone,
)
from tests.proxy.objects import endpoint, port, service, slice_of

PODS = {"a": "10.244.1.2", "b": "10.244.1.3", "c": "10.244.2.2"}
NODES = {"node1": "172.30.0.11", "node2": "172.30.0.12"}
NODE_OF = {"a": "node1", "b": "node1", "c": "node2", "node1": "node1", "node2": "node2"}
ZONES = {"node1": "north", "node2": "south"}
ADDRESSES = PODS | NODES | {"fabric": "172.30.0.1"}

VIP, EXTERNAL, BALANCED, GATEWAY = "10.96.0.10", "203.0.113.7", "172.30.0.200", "10.244.1.1"
NODE_PORT = 30080
EVERYBODY = ("a", "c", "node1", "node2", "fabric")


@dataclass(frozen=True)
class Probe:
    """`expected`: the pods that may answer, or `refused`, or `dropped`; `kept`: they see the client's own address."""

    who: str
    ip: str
    port: int
    expected: str
    kept: bool = True
    protocol: str = "tcp"

    def __str__(self) -> str:
        return f"{self.who} to {self.protocol} {self.ip}:{self.port}"


@dataclass(frozen=True)
class Case:
    name: str
    service: Service
    slices: Sequence[EndpointSlice]
    probes: Sequence[Probe] = field(default_factory=tuple)


BOTH_PORTS = (port(nodePort=NODE_PORT), port(name="u", protocol="UDP", nodePort=NODE_PORT))
BOTH_NUMBERS = (
    EndpointPort(name="", port=8080, protocol="TCP"),
    EndpointPort(name="u", port=8080, protocol="UDP"),
)


def made(ports: Sequence[ServicePort] = BOTH_PORTS, *, ip_mode: str | None = "VIP", **spec: Any) -> Service:
    """Returns a Service with every kind of address, unless overridden."""
    fields: dict[str, Any] = {"type": "LoadBalancer", "externalIPs": [EXTERNAL], "ports": list(ports)}
    found = service(**(fields | spec))
    if found.spec.type == "LoadBalancer":
        ingress = [LoadBalancerIngress(ip=BALANCED, ipMode=ip_mode), LoadBalancerIngress(hostname="lb.example.org")]
        found.status = ServiceStatus(loadBalancer=LoadBalancerStatus(ingress=ingress))
    return found


def endpoints_of(*pods: str | Endpoint) -> list[EndpointSlice]:
    ends = [on(p) if isinstance(p, str) else p for p in pods]
    return [slice_of(*ends, ports=BOTH_NUMBERS)] if ends else []


def on(pod: str, *, nodes: Sequence[str] = (), zones: Sequence[str] = (), **conditions: Any) -> Endpoint:
    made = endpoint(PODS[pod], node_name=NODE_OF[pod], **conditions)
    if nodes or zones:
        made.hints = EndpointHints(forNodes=[ForNode(name=n) for n in nodes], forZones=[ForZone(name=z) for z in zones])
    return made


def to(who: str | Sequence[str], ip: str, expected: str, *, kept: bool = True, number: int = 80) -> list[Probe]:
    return [Probe(w, ip, number, expected, kept) for w in ([who] if isinstance(who, str) else who)]


def udp(who: str, ip: str, expected: str, *, kept: bool = True, number: int = 80) -> Probe:
    return Probe(who, ip, number, expected, kept, "udp")


def node_port(who: str | Sequence[str], ip: str, expected: str, *, kept: bool = True) -> list[Probe]:
    return to(who, ip, expected, kept=kept, number=NODE_PORT)


N1, N2 = NODES["node1"], NODES["node2"]
ENDING: dict[str, Any] = {"ready": False, "serving": True, "terminating": True}

CASES = (
    Case(
        "cluster ip",
        made(type="ClusterIP", externalIPs=[], ports=(port(), port(name="u", protocol="UDP"))),
        endpoints_of("b", "c"),
        [
            *to(("a", "node1", "node2"), VIP, "b c"),
            *to("fabric", VIP, "b c", kept=False),
            udp("a", VIP, "b c"),
            udp("fabric", VIP, "b c", kept=False),
            *to(EVERYBODY, VIP, "refused", number=81),
            *to(EVERYBODY, "10.97.1.2", "refused"),
            *node_port("fabric", N1, "refused"),
        ],
    ),
    Case("a pod that reaches itself", made(), endpoints_of("a"), to("a", VIP, "a", kept=False)),
    Case(
        "node port, spread",
        made(type="NodePort", externalIPs=[]),
        endpoints_of("b", "c"),
        [
            *node_port(EVERYBODY, N1, "b c", kept=False),
            *node_port(EVERYBODY, N2, "b c", kept=False),
            *node_port(("a", "node1"), GATEWAY, "b c", kept=False),
            *node_port("node1", "127.0.0.1", "refused"),
            udp("c", N1, "b c", kept=False, number=NODE_PORT),
            udp("fabric", N2, "b c", kept=False, number=NODE_PORT),
        ],
    ),
    Case(
        "node port, local, endpoints on both nodes",
        made(type="NodePort", externalIPs=[], externalTrafficPolicy="Local"),
        endpoints_of("b", "c"),
        [
            *node_port(("fabric", "c", "node2"), N1, "b"),
            *node_port(("fabric", "a", "node1"), N2, "c"),
            *node_port("a", N1, "b c"),
            *node_port("node1", N1, "b c", kept=False),
            udp("fabric", N1, "b", number=NODE_PORT),
            udp("a", N1, "b c", number=NODE_PORT),
        ],
    ),
    Case(
        "node port, local, endpoint on one node",
        made(type="NodePort", externalIPs=[], externalTrafficPolicy="Local"),
        endpoints_of("b"),
        [
            *node_port("fabric", N1, "b"),
            *node_port(("fabric", "a", "node1"), N2, "dropped"),
            *node_port("c", N2, "b"),
            *node_port("node2", N2, "b", kept=False),
        ],
    ),
    Case(
        "external and balanced addresses, spread",
        made(),
        endpoints_of("b", "c"),
        [
            *(p for ip in (EXTERNAL, BALANCED) for p in to(EVERYBODY, ip, "b c", kept=False)),
            *(udp(who, ip, "b c", kept=False) for ip in (EXTERNAL, BALANCED) for who in ("a", "fabric")),
            *to(("a", "fabric"), BALANCED, "refused", number=81),
        ],
    ),
    Case(
        "external and balanced addresses, local, endpoints on both nodes",
        made(externalTrafficPolicy="Local"),
        endpoints_of("b", "c"),
        [
            *(p for ip in (EXTERNAL, BALANCED) for p in to("fabric", ip, "b")),
            *(p for ip in (EXTERNAL, BALANCED) for p in to("a", ip, "b c")),
            *(p for ip in (EXTERNAL, BALANCED) for p in to(("node1", "node2"), ip, "b c", kept=False)),
            udp("fabric", BALANCED, "b"),
            *to("a", VIP, "b c"),
        ],
    ),
    Case(
        "external and balanced addresses, local, endpoint on the other node",
        made(externalTrafficPolicy="Local"),
        endpoints_of("c"),
        [
            *(p for ip in (EXTERNAL, BALANCED) for p in to("fabric", ip, "dropped")),
            *(p for ip in (EXTERNAL, BALANCED) for p in to("a", ip, "c")),
        ],
    ),
    Case(
        "source ranges",
        made(loadBalancerSourceRanges=["172.30.0.1/32", "10.244.2.0/24", "10.244.2.0/25"]),
        endpoints_of("b"),
        [
            *to(("fabric", "c"), BALANCED, "b", kept=False),
            *to(("a", "node1"), BALANCED, "dropped"),
            udp("a", BALANCED, "dropped"),
            *to("a", EXTERNAL, "b", kept=False),
            *node_port("a", N1, "b", kept=False),
            *to("a", VIP, "b"),
        ],
    ),
    Case(
        "source ranges that let all in",
        made(loadBalancerSourceRanges=["10.9.0.0/16", "0.0.0.0/0"]),
        endpoints_of("b"),
        to(("fabric", "a"), BALANCED, "b", kept=False),
    ),
    Case(
        "internal traffic kept on the node",
        made(internalTrafficPolicy="Local"),
        endpoints_of("b"),
        [
            *to("a", VIP, "b"),
            *to("node1", VIP, "b"),
            *to("fabric", VIP, "b", kept=False),
            *to(("c", "node2"), VIP, "dropped"),
            udp("c", VIP, "dropped"),
            *to("c", EXTERNAL, "b", kept=False),
        ],
    ),
    Case(
        "no endpoints",
        made(),
        endpoints_of(),
        [
            *(p for ip in (VIP, EXTERNAL, BALANCED) for p in to(EVERYBODY, ip, "refused")),
            *(udp(who, ip, "refused") for ip in (VIP, EXTERNAL, BALANCED) for who in EVERYBODY),
            *(p for ip in (N1, N2) for p in node_port(EVERYBODY, ip, "refused")),
            *(udp(who, N1, "refused", number=NODE_PORT) for who in EVERYBODY),
        ],
    ),
    Case(
        "no endpoints, local policies",
        made(externalTrafficPolicy="Local", internalTrafficPolicy="Local"),
        endpoints_of(),
        [
            *(p for ip in (VIP, EXTERNAL, BALANCED) for p in to(("a", "node1", "fabric"), ip, "refused")),
            *node_port(("a", "fabric"), N1, "refused"),
        ],
    ),
    Case(
        "ending endpoints where none is ready",
        made(externalTrafficPolicy="Local"),
        endpoints_of(on("b", **ENDING), on("c")),
        [*to("a", VIP, "c"), *to("fabric", EXTERNAL, "b"), *to("a", EXTERNAL, "c")],
    ),
    Case(
        "only ending endpoints", made(), endpoints_of(on("b", **ENDING), on("c", ready=False)), to(("a", "c"), VIP, "b")
    ),
    Case(
        "hints for nodes",
        made(trafficDistribution="PreferSameNode"),
        endpoints_of(on("b", nodes=["node1"]), on("c", nodes=["node2"])),
        [
            *to("a", VIP, "b"),
            *to("c", VIP, "c", kept=False),
            *to("fabric", EXTERNAL, "b", kept=False),
            *node_port("fabric", N2, "c", kept=False),
        ],
    ),
    Case(
        "hints for zones",
        made(trafficDistribution="PreferClose"),
        endpoints_of(on("b", zones=["south"]), on("c", zones=["north", "south"])),
        [*to("a", VIP, "c"), *to("node2", VIP, "b c")],
    ),
    Case(
        "hints that leave a node alone, or that one lacks",
        made(trafficDistribution="PreferClose"),
        endpoints_of(on("b", zones=["east"]), on("c", zones=["north"], nodes=["node2"])),
        [*to("a", VIP, "c"), *to("node2", VIP, "b c")],
    ),
    Case("an address that its balancer answers", made(ip_mode="Proxy"), endpoints_of("b"), to("a", VIP, "b")),
)


_SIX = {
    "10.244.1.2": "fd00:10:244:1::2",
    "10.244.1.3": "fd00:10:244:1::3",
    "10.244.2.2": "fd00:10:244:2::2",
    "172.30.0.1": "fd00:172:30::1",
    "172.30.0.11": "fd00:172:30::b",
    "172.30.0.12": "fd00:172:30::c",
    "127.0.0.1": "::1",
    VIP: "fd00:10:96::a",
    "10.97.1.2": "fd00:10:96::9",
    EXTERNAL: "2001:db8::7",
    BALANCED: "fd00:172:30::c8",
    "172.30.0.1/32": "fd00:172:30::1/128",
    "10.244.2.0/24": "fd00:10:244:2::/64",
    "10.244.2.0/25": "fd00:10:244:2::/65",
    "10.9.0.0/16": "fd09::/16",
    "0.0.0.0/0": "::/0",
    "10.96.0.11": "fd00:10:96::b",
    "10.96.0.12": "fd00:10:96::c",
    "203.0.113.10": "2001:db8::a",
    "203.0.113.11": "2001:db8::b",
    "203.0.113.12": "2001:db8::c",
    "172.30.0.201": "fd00:172:30::c9",
    "172.30.0.202": "fd00:172:30::ca",
    "10.244.1.0/25": "fd00:10:244:1::/65",
    "172.30.0.0/24": "fd00:172:30::/64",
    "IPv4": "IPv6",
}


def six(text: str) -> str:
    """Returns the text of an IPv6 cluster that corresponds to `text`."""
    return _SIX.get(text, text)


def in_six(case: Case) -> Case:
    """Returns the case over IPv6. A node's pods know its gateway only by a link-local address: no probe asks it."""
    probes = [replace(p, ip=six(p.ip)) for p in case.probes if p.ip != GATEWAY]
    slices = [_translated(piece, EndpointSlice) for piece in case.slices]
    return Case(case.name, _translated(case.service, Service), slices, probes)


T = TypeVar("T")


def _translated(value: Any, type: type[T]) -> T:
    return msgspec.convert(_walk(msgspec.to_builtins(value)), type)


def _walk(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _walk(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_walk(item) for item in value]
    return six(value) if isinstance(value, str) else value
