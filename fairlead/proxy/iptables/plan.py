"""Computes the chains and lines of a Service on one node, under upstream's names. Pure.

Each Service is planned alone. Its own chains are all in the nat table: one for each endpoint and up to four for each
port. The Service also has lines in chains that all Services share. Rules have the form in which `iptables-save`
prints them.

An endpoint is drawn by a list of lines: the last line takes all that is left, the line before it half, the one before
that a third. Counted from the end, the lines do not depend on the number of endpoints. If there are many targets and
they keep their places (`endpoints.arranged`), a target that comes or goes changes two lines, whatever the number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

from fairlead.api.core.service.kind import Service, ServicePort
from fairlead.api.core.service.predicates import is_load_balancer
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.base.dataclass import dataclass, field
from fairlead.net.family import IPV4
from fairlead.net.iptables.model import Chain
from fairlead.proxy.iptables import rules
from fairlead.proxy.iptables.rules import Place, chain_name, comment, host
from fairlead.proxy.planning.backend import Address, UdpFrontend
from fairlead.proxy.planning.proxierconfig import ProxierConfig
from fairlead.service.endpoints import Chosen, Target, choose
from fairlead.service.frontends import (
    Frontend,
    affinity_timeout_s,
    frontends,
    has_frontends,
    is_sticky,
    keeps_external_traffic,
    keeps_internal_traffic,
    load_balancer_vips,
    source_ranges,
)
from fairlead.service.node import NodeView


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """The chains and lines that one Service needs."""

    chains: Mapping[str, Chain] = field(default_factory=dict)
    """The Service's own chains, in the nat table. A chain stands after the chains that it leads to."""
    lines: Mapping[Place, tuple[str, ...]] = field(default_factory=dict)
    """The Service's lines in shared chains."""
    no_local: frozenset[str] = frozenset()
    udp: Mapping[UdpFrontend, frozenset[Address]] = field(default_factory=dict)
    """The endpoints that may answer at each UDP frontend."""


NOTHING = ServicePlan()


@dataclass(frozen=True, slots=True)
class View:
    """The node and configuration that a plan is made for."""

    node: NodeView
    proxier: ProxierConfig
    near: tuple[str, ...] = ()
    """Ranges of Pods whose answers pass this node. Empty: `proxier.detector` decides."""
    marking: rules.Marking | None = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "marking", rules.marking(self.proxier))


def plan_service(service: Service | None, slices: Iterable[EndpointSlice], *, view: View) -> ServicePlan:
    """Returns the plan of one Service from its slices; `NOTHING` if it needs none."""
    if service is None or not has_frontends(service):
        return NOTHING
    known = list(slices)
    return plan_chosen(service, [choose(port, known, node=view.node) for port in service.spec.ports], view=view)


def plan_chosen(service: Service, chosen: Sequence[Chosen], *, view: View) -> ServicePlan:
    """Returns the plan of a Service that has frontends, from the targets of each of its ports, as chains name them."""
    draft = _Draft(service, view)
    for port, targets in zip(service.spec.ports, chosen, strict=True):
        port_frontends = list(frontends(service, port, family=view.proxier.family))
        if port_frontends:
            _Port(draft, port, port_frontends, targets.cluster, targets.local).add()
    return draft.plan()


class _Draft:
    """A plan under construction."""

    def __init__(self, service: Service, view: View) -> None:
        self.service = service
        self.view = view
        self.chains: dict[str, Chain] = {}
        self.no_local: set[str] = set()
        self.udp: dict[UdpFrontend, frozenset[Address]] = {}
        self._lines: dict[Place, list[str]] = {}

    def plan(self) -> ServicePlan:
        lines = {place: tuple(dict.fromkeys(place_rules)) for place, place_rules in self._lines.items()}
        return ServicePlan(self.chains, lines, frozenset(self.no_local), self.udp)

    def line(self, table: str, chain: str, rule: str) -> None:
        self._lines.setdefault((table, chain), []).append(rule)

    def chain(self, name: str, *parts: Iterable[str]) -> None:
        self.chains[name] = Chain(name, tuple(tuple(part) for part in parts))


class _Port:
    """One port of a Service."""

    def __init__(
        self,
        draft: _Draft,
        port: ServicePort,
        port_frontends: Sequence[Frontend],
        cluster: Sequence[Target],
        local: Sequence[Target],
    ) -> None:
        meta = draft.service.metadata
        self._draft = draft
        self._proxier = draft.view.proxier
        self._name = f"{meta.namespace}/{meta.name}{f':{port.name}' if port.name else ''}"
        self._frontends = port_frontends
        self._protocol = port_frontends[0].protocol
        self._cluster, self._local = cluster, local
        self._internal_local = keeps_internal_traffic(draft.service)
        self._external_local = keeps_external_traffic(draft.service)
        self._open = any(f.external for f in port_frontends)
        self._ends = {target: self._endpoint(target) for target in cluster}
        self._ends |= {target: self._endpoint(target) for target in local if target not in self._ends}
        self._timeout_s = affinity_timeout_s(draft.service) if is_sticky(draft.service) else 0
        ranges = source_ranges(draft.service, self._proxier.family)
        self._ranges = ranges if any(f.restricted for f in port_frontends) else None

    def add(self) -> None:
        if self._cluster:
            self._add_chains()
        for frontend in self._frontends:
            if not frontend.external:
                self._add_internal(frontend)
            elif frontend.ip:
                self._add_external(frontend)
            else:
                self._add_node_port(frontend)
            if self._protocol == "udp":
                answering = frozenset((target.ip, target.port) for target in self._answering(frontend))
                self._draft.udp[UdpFrontend(frontend.ip, frontend.port)] = answering
        self._add_health_check()

    def _answering(self, frontend: Frontend) -> Sequence[Target]:
        """Returns the targets that connections to the frontend may go to."""
        if not frontend.external:
            return self._local if self._internal_local else self._cluster
        return (*self._cluster, *self._local) if self._external_local else self._cluster

    def _add_chains(self) -> None:
        """Adds the port's chains; a chain comes after the chains that it leads to."""
        targets = [*self._cluster] if self._open or not self._internal_local else []
        local = self._internal_local or (self._external_local and self._open)
        if local:
            targets = list(dict.fromkeys([*targets, *self._local]))
        for target in targets:
            self._add_endpoint(target)
        if self._open or not self._internal_local:
            self._spread(self._chain("SVC"), self._cluster, internal=not self._internal_local)
        if local and self._local:
            self._spread(self._chain("SVL"), self._local, internal=self._internal_local)
        if self._open:
            self._draft.chain(self._chain("EXT"), self._from_elsewhere())
        if self._ranges is not None:
            self._draft.chain(self._chain("FW"), self._guard(self._ranges))

    def _add_endpoint(self, target: Target) -> None:
        name, text = self._ends[target]
        about = comment(self._name)
        remember = f"-m recent --set {self._list(name)} " if self._timeout_s else ""
        self._draft.chain(
            name,
            (
                f"-s {host(target.ip)} {about} -j {rules.MARK_MASQ}",
                f"-p {self._protocol} {about} {remember}-m {self._protocol} -j DNAT --to-destination {text}",
            ),
        )

    def _spread(self, name: str, targets: Sequence[Target], *, internal: bool) -> None:
        """Adds the chain that leads to one of the targets. With session affinity it first tries the client's last
        target."""
        marking = self._draft.view.marking
        head: list[str] = []
        if internal and marking is not None:
            own = (f for f in self._frontends if not f.external)
            text = f"{self._name} cluster IP"
            head = [self._to(f, text, marking.chain, source=marking.source, link=marking.link) for f in own]
        ends = [self._ends[target] for target in targets]
        about = [comment(f"{self._name} -> {text}") for _, text in ends]
        stuck: list[str] = []
        if self._timeout_s:
            stuck = [
                f"{said} -m recent --rcheck --seconds {self._timeout_s} --reap {self._list(end)} -j {end}"
                for said, (end, _) in zip(about, ends, strict=True)
            ]
        left = range(len(ends), 0, -1)
        drawn = (f"{said}{_share(n)} -j {end}" for said, (end, _), n in zip(about, ends, left, strict=True))
        self._draft.chain(name, head, stuck, drawn)

    def _from_elsewhere(self) -> Iterator[str]:
        """Yields the lines for packets that came to another address than the cluster IP."""
        about = f"{self._name} external destinations"
        if not self._external_local:
            yield f"{comment(f'masquerade traffic for {about}')} -j {rules.MARK_MASQ}"
            yield f"-j {self._chain('SVC')}"
            return
        from_node = "-m addrtype --src-type LOCAL"
        node = [
            f"{comment(f'masquerade LOCAL traffic for {about}')} {from_node} -j {rules.MARK_MASQ}",
            f"{comment(f'route LOCAL traffic for {about}')} {from_node} -j {self._chain('SVC')}",
        ]
        detector = self._proxier.detector
        near = tuple(f"-s {block}" for block in self._draft.view.near) or rules.near(detector)
        pods = [f"{source} {comment(f'pod traffic for {about}')} -j {self._chain('SVC')}" for source in near]
        # If Pods are detected by a link that their packets do not come in by, the node's own packets match too.
        yield from (node + pods if detector.link and not self._draft.view.near else pods + node)
        if self._local:
            yield f"-j {self._chain('SVL')}"

    def _guard(self, ranges: Sequence[str]) -> Iterator[str]:
        """Yields the lines that restrict the clients of the load balancer's addresses."""
        about = comment(f"{self._name} loadbalancer IP")
        sources = [block if "/" in block else host(block) for block in ranges]
        if rules.any_holds(sources, self._draft.view.node.ip):
            # A node that has the balancer's address itself sends from that address.
            sources += [host(ip) for ip in load_balancer_vips(self._draft.service, self._proxier.family)]
        for source in sources:
            yield f"-s {source} {about} -j {self._chain('EXT')}"
        yield comment(f"other traffic to {self._name} will be dropped by {rules.PROXY_FIREWALL}")

    def _add_internal(self, frontend: Frontend) -> None:
        draft = self._draft
        if not self._cluster:
            draft.line("filter", rules.SERVICES, self._to(frontend, f"{self._name} has no endpoints", "REJECT"))
        elif self._internal_local and not self._local:
            draft.no_local.add("internal")
            draft.line("filter", rules.SERVICES, self._to(frontend, f"{self._name} has no local endpoints", "DROP"))
        else:
            chain = self._chain("SVL") if self._internal_local else self._chain("SVC")
            draft.line("nat", rules.SERVICES, self._to(frontend, f"{self._name} cluster IP", chain))

    def _add_external(self, frontend: Frontend) -> None:
        draft, restricted = self._draft, frontend.restricted and self._ranges is not None
        kind = "loadbalancer" if frontend.restricted else "external"
        if self._cluster:
            chain = self._chain("FW") if restricted else self._chain("EXT")
            draft.line("nat", rules.SERVICES, self._to(frontend, f"{self._name} {kind} IP", chain))
        if self._cluster and restricted:
            text = f"{self._name} traffic not accepted by {self._chain('FW')}"
            draft.line("filter", rules.PROXY_FIREWALL, self._to(frontend, text, "DROP"))
        self._add_refusal(frontend)
        if frontend.restricted:
            about = comment(f"{draft.service.metadata.namespace}/{draft.service.metadata.name} loadbalancer IP")
            away = f"-d {host(frontend.ip)} {about} -m addrtype ! --dst-type LOCAL -j {rules.REFUSE}"
            draft.line("filter", rules.UNCLAIMED, away)

    def _add_node_port(self, frontend: Frontend) -> None:
        if self._cluster:
            line = self._to(frontend, self._name, self._chain("EXT"))
            if self._proxier.localhost:
                # This line only counts packets.
                self._draft.line("nat", rules.NODE_PORTS, f"-d 127.0.0.0/8 {line}")
            self._draft.line("nat", rules.NODE_PORTS, line)
        self._add_refusal(frontend)

    def _add_refusal(self, frontend: Frontend) -> None:
        """Refuses packets to the frontend, an address other than the cluster IP, if no endpoint may take them."""
        kind = "" if frontend.ip else "-m addrtype --dst-type LOCAL "
        if not self._cluster:
            text, verdict = f"{self._name} has no endpoints", "REJECT"
        elif self._external_local and not self._local:
            self._draft.no_local.add("external")
            text, verdict = f"{self._name} has no local endpoints", "DROP"
        else:
            return
        self._draft.line("filter", rules.EXTERNAL, self._to(frontend, text, verdict, kind=kind))

    def _add_health_check(self) -> None:
        spec = self._draft.service.spec
        if is_load_balancer(spec) and self._external_local and spec.healthCheckNodePort:
            about = comment(f"{self._name} health check node port")
            rule = f"-p tcp {about} -m tcp --dport {spec.healthCheckNodePort} -j ACCEPT"
            self._draft.line("filter", rules.NODE_PORTS, rule)

    def _to(
        self, frontend: Frontend, text: str, target: str, *, source: str = "", link: str = "", kind: str = ""
    ) -> str:
        """Returns the line for packets that are sent to the frontend."""
        end = rules.reject(self._proxier.family, self._protocol) if target == "REJECT" else f"-j {target}"
        there = f"-d {host(frontend.ip)} " if frontend.ip else ""
        protocol = self._protocol
        port = f"-m {protocol} --dport {frontend.port}"
        return f"{source}{there}{link}-p {protocol} {comment(text)} {kind}{port} {end}"

    def _chain(self, kind: str) -> str:
        return chain_name(kind, self._name, self._protocol)

    def _endpoint(self, target: Target) -> tuple[str, str]:
        """Returns the name of the target's chain, and the target's address as text."""
        text = f"[{target.ip}]:{target.port}" if ":" in target.ip else f"{target.ip}:{target.port}"
        return chain_name("SEP", self._name, self._protocol, text), text

    def _list(self, name: str) -> str:
        whole = "255.255.255.255" if self._proxier.family is IPV4 else "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
        return f"--name {name} --mask {whole} --rsource"


@lru_cache(maxsize=8192)
def _share(left: int) -> str:
    """Returns the condition that draws one of `left` targets, rounded to 31 bits as the kernel does it."""
    if left == 1:
        return ""
    return f" -m statistic --mode random --probability {round(0x80000000 / left) / 0x80000000:.11f}"
