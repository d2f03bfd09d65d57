"""Random worlds: Services, slices and clients, and the answer that the Services' fields alone demand.

`expected` is the reference: it knows the policies of Services and nothing of rules.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from fairlead.api.core.service.kind import LoadBalancerIngress, LoadBalancerStatus, Service, ServiceStatus
from fairlead.api.discovery.endpointslice.kind import EndpointPort, EndpointSlice
from fairlead.net.family import IPV6, Family
from fairlead.service.endpoints import choose
from tests.proxy.backends import Kind
from tests.proxy.inspected import view
from tests.proxy.objects import port, service, slice_of, sticky
from tests.proxy.paths import ADDRESSES, EVERYBODY, NODE_OF, NODES, PODS, Case, Probe, in_six, on, six

FATES: Sequence[dict[str, Any]] = (
    {},
    {},
    {},
    {"ready": False},
    {"ready": False, "serving": True, "terminating": True},
    {"ready": False, "serving": False, "terminating": True},
)
PORTS = (("", "TCP", 80), ("u", "UDP", 80), ("s", "SCTP", 90))
OUTER = tuple(f"{start}{number}" for number in range(3) for start in ("203.0.113.1", "172.30.0.20"))
"""The external and the load balancers' addresses, which a client outside needs routes to."""
RANGES = ("172.30.0.1/32", "10.244.2.0/24", "10.244.1.0/25", "172.30.0.0/24")


@dataclass(frozen=True)
class RandomWorld:
    services: Sequence[Service]
    slices: Sequence[EndpointSlice]
    probes: Sequence[Probe]


@dataclass(frozen=True)
class Answer:
    """The kind of an end, the endpoints that may answer, and if the client's address is kept."""

    kind: str
    addresses: frozenset[str] = frozenset()
    kept: bool = True


def random_world(rng: random.Random, family: Family, *, protocols: int = 3) -> RandomWorld:
    made = [_random_case(rng, number, protocols) for number in range(rng.randint(1, 3))]
    if family is IPV6:
        made = [in_six(case) for case in made]
    services = [case.service for case in made]
    probes = list(_probes(rng, services, family, protocols))
    return RandomWorld(services, [piece for case in made for piece in case.slices], probes)


def _random_case(rng: random.Random, number: int, protocols: int) -> Case:
    name, last = f"web{number}", 10 + number
    kind = rng.choice(["ClusterIP", "NodePort", "LoadBalancer"])
    ports = [
        port(at, name=each, protocol=protocol, **({"nodePort": 30080 + number} if kind != "ClusterIP" else {}))
        for each, protocol, at in rng.sample(PORTS[:protocols], rng.randint(1, min(2, protocols)))
    ]
    spec: dict[str, Any] = {"type": kind, "ports": ports}
    spec["internalTrafficPolicy"] = rng.choice(["Cluster", "Cluster", "Local"])
    if rng.random() < 0.4:
        spec["externalIPs"] = [f"203.0.113.{last}"]
    if kind != "ClusterIP" or spec.get("externalIPs"):
        spec["externalTrafficPolicy"] = rng.choice(["Cluster", "Local"])
    if rng.random() < 0.2:
        spec |= sticky()
    if kind == "LoadBalancer" and rng.random() < 0.4:
        spec["loadBalancerSourceRanges"] = rng.sample(RANGES, rng.randint(1, 2))
    made = service(name, f"10.96.0.{last}", **spec)
    if kind == "LoadBalancer":
        ingress = LoadBalancerIngress(ip=f"172.30.0.{200 + number}", ipMode="VIP")
        made.status = ServiceStatus(loadBalancer=LoadBalancerStatus(ingress=[ingress]))
    return Case(name, made, list(_slices(rng, name, ports)))


def _slices(rng: random.Random, name: str, ports: Sequence[Any]) -> Iterator[EndpointSlice]:
    numbers = [EndpointPort(name=each.name, port=8080, protocol=each.protocol) for each in ports]
    chosen = rng.sample(sorted(PODS), rng.randint(0, len(PODS)))
    hinted = rng.random() < 0.3
    ends = []
    for pod in chosen:
        hints = {"nodes": rng.sample(sorted(NODES), 1)} if hinted and rng.random() < 0.8 else {}
        ends.append(on(pod, **hints, **rng.choice(FATES)))
    for at in range(0, len(ends), 2):
        yield slice_of(*ends[at : at + 2], ports=numbers, service_name=name, name=f"{name}-{at}")


def _probes(rng: random.Random, services: Sequence[Service], family: Family, protocols: int) -> Iterator[Probe]:
    for one in services:
        spec = one.spec
        for who in rng.sample(EVERYBODY, 3):
            each = rng.choice(spec.ports)
            protocol = each.protocol.lower()
            if rng.random() < 0.1:
                protocol = rng.choice(["tcp", "udp", "sctp"][:protocols])
            number = each.port if rng.random() < 0.9 else 81
            ips = [spec.clusterIP, *spec.externalIPs, *(i.ip for i in one.status.loadBalancer.ingress)]
            yield Probe(who, rng.choice(ips), number, "", protocol=protocol)
            if each.nodePort and rng.random() < 0.7:
                ip = NODES[rng.choice(sorted(NODES))]
                yield Probe(who, six(ip) if family is IPV6 else ip, each.nodePort, "", protocol=protocol)


def expected(world: RandomWorld, probe: Probe, family: Family, kind: Kind) -> Answer | None:
    """Returns the answer by the Services' fields; None if the modes may differ."""
    found = _frontend(world, probe)
    source = six(ADDRESSES[probe.who]) if family is IPV6 else ADDRESSES[probe.who]
    home = NODE_OF.get(probe.who, "")
    if found is None:
        return _unclaimed(world, probe)
    one, each, kind_of_ip = found
    here = _entry(probe, home, kind_of_ip)
    slices = [
        piece for piece in world.slices if piece.metadata.labels["kubernetes.io/service-name"] == one.metadata.name
    ]
    chosen = choose(each, slices, node=view(here, family))
    if kind_of_ip == "balanced" and not _allowed(one, source):
        return Answer("dropped") if chosen.cluster else None
    if not chosen.cluster:
        return Answer("refused")
    outside = home != here
    external = kind_of_ip != "internal"
    policy = one.spec.externalTrafficPolicy if external else one.spec.internalTrafficPolicy
    # Pods and the node itself may use all endpoints of an address for others, whatever its policy.
    local = policy == "Local" and (not external or outside)
    targets = chosen.local if local else chosen.cluster
    if not targets:
        return Answer("dropped")
    return Answer("pod", frozenset(t.ip for t in targets), _kept(probe, kind, external, outside, policy or ""))


def hairpin(probe: Probe, address: str, family: Family) -> bool:
    """Returns whether the endpoint is the client itself, which is masqueraded."""
    source = six(ADDRESSES[probe.who]) if family is IPV6 else ADDRESSES[probe.who]
    return address == source


def _kept(probe: Probe, kind: Kind, external: bool, outside: bool, policy: str) -> bool:
    if not external:
        return not outside and not (kind.iptables and probe.who in NODES)
    return policy == "Local" and not (probe.who in NODES and not outside)


def _entry(probe: Probe, home: str, kind_of_ip: str) -> str:
    """Returns the node whose rules decide."""
    if kind_of_ip == "node port":
        return next(n for n, ip in NODES.items() if probe.ip in (ip, six(ip)))
    return home or "node1"


def _frontend(world: RandomWorld, probe: Probe) -> tuple[Service, Any, str] | None:
    for one in world.services:
        spec = one.spec
        for each in spec.ports:
            if each.protocol.lower() != probe.protocol:
                continue
            if each.nodePort == probe.port and probe.ip in (*NODES.values(), *map(six, NODES.values())):
                return one, each, "node port"
            if each.port != probe.port:
                continue
            if probe.ip == spec.clusterIP:
                return one, each, "internal"
            if probe.ip in spec.externalIPs:
                return one, each, "external"
            if probe.ip in [i.ip for i in one.status.loadBalancer.ingress]:
                return one, each, "balanced"
    return None


def _unclaimed(world: RandomWorld, probe: Probe) -> Answer | None:
    """Returns the answer at an address and port that no Service has."""
    for one in world.services:
        if probe.ip == one.spec.clusterIP or probe.ip in [i.ip for i in one.status.loadBalancer.ingress]:
            return Answer("refused")
    return Answer("node") if probe.ip in (*NODES.values(), *map(six, NODES.values())) else None


def _allowed(one: Service, source: str) -> bool:
    ranges = [ip_network(text) for text in one.spec.loadBalancerSourceRanges]
    return not ranges or any(ip_address(source) in block for block in ranges)
