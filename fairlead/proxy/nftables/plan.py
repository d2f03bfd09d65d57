"""Computes the elements of a Service in the proxy's table, on one node. Pure; one small function for each traffic
path.

Each Service is planned alone: its elements do not depend on other Services, so an event costs the planning of one
Service. Cluster IPs without endpoints have no elements; the table's fixed rules refuse them. Other addresses may
belong to another program, so each is refused by an element."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from fairlead.api.core.service.kind import Service
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.base.dataclass import dataclass, field
from fairlead.net.family import Family
from fairlead.net.nft.model import Chain, Elements
from fairlead.proxy.nftables import rules
from fairlead.proxy.nftables.rules import LookupKey
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

_ID_BIT = 1 << 31
"""Set in the ids of endpoints that clients stick to, so that an id never equals a slot."""


class Place(NamedTuple):
    """The set and key of a frontend's elements."""

    lookup: LookupKey
    key: str


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """The chains and elements that one Service needs. The chains may exist already."""

    chains: Mapping[str, Chain] = field(default_factory=dict)
    elements: Elements = field(default_factory=dict)
    no_local: frozenset[str] = frozenset()
    """Traffic without an endpoint on this node that may not go elsewhere: `internal`, `external`."""


NOTHING = ServicePlan()


class Slots(NamedTuple):
    """A frontend's list of targets: the elements by which a connection finds the drawn endpoint."""

    at: Place
    first: int
    """The number of the first slot."""
    sticky: bool
    targets: tuple[Target, ...]

    @property
    def set_name(self) -> str:
        """Returns the name of the map that leads to endpoints."""
        return self.at.lookup.map(rules.ENDPOINTS)

    def write(self, elements: dict[str, dict[str, str]]) -> None:
        """Adds the elements of the list."""
        key, first = self.at.key, self.first
        held = elements.setdefault(self.set_name, {})
        if not self.sticky:
            for place, target in enumerate(self.targets):
                held[f"{key} . {mark(place + first)}"] = f"{target.ip} . {target.port}"
            return
        affinity_slots = elements.setdefault(self.at.lookup.map(rules.AFFINITY_SLOTS), {})
        for place, (number, target) in enumerate(zip(_stable_ids(self.targets), self.targets, strict=True)):
            # Slots lead to ids, and ids to endpoints.
            chosen = mark(number | first)
            affinity_slots[f"{key} . {mark(place + first)}"] = chosen
            held[f"{key} . {chosen}"] = f"{target.ip} . {target.port}"

    def slot(self, place: int) -> str:
        """Returns the key of one place in a list that is not sticky."""
        return f"{self.at.key} . {mark(place + self.first)}"

    def value(self, place: int) -> str:
        target = self.targets[place]
        return f"{target.ip} . {target.port}"


class Outline(NamedTuple):
    """A plan whose lists of targets are not written out, so that it stays small with thousands of targets."""

    chains: Mapping[str, Chain]
    frame: Elements
    """The part that depends on the Service and the number of its targets. Lists and hairpins are in other sets.
    """
    lists: tuple[Slots, ...]
    hairpins: tuple[tuple[Target, ...], ...]
    """Targets on this node, which may also be clients of the Service."""
    no_local: frozenset[str]


def plan_service(service: Service | None, slices: Iterable[EndpointSlice], *, node: NodeView) -> ServicePlan:
    """Returns the plan of one Service from its slices; `NOTHING` if it needs none."""
    if service is None or not has_frontends(service):
        return NOTHING
    known = list(slices)
    chosen = [choose(port, known, node=node) for port in service.spec.ports]
    return written_out(outline(service, chosen, family=node.family))


def outline(service: Service, chosen: Sequence[Chosen], *, family: Family) -> Outline:
    """Returns the plan of a Service that has frontends, from the targets of each of its ports."""
    draft = _Draft(service)
    for port, targets in zip(service.spec.ports, chosen, strict=True):
        for frontend in frontends(service, port, family=family):
            draft.add(frontend, _place(frontend, family), targets)
    for ip in load_balancer_vips(service, family):
        draft.put(rules.BALANCED, ip, "")
    return draft.outline()


def written_out(outline: Outline) -> ServicePlan:
    """Returns the plan with all its elements."""
    written: dict[str, dict[str, str]] = {}
    for slots in outline.lists:
        slots.write(written)
    if outline.hairpins:
        written[rules.HAIRPIN] = dict.fromkeys(hairpin_keys(outline), "")
    elements = {**outline.frame, **written}
    return ServicePlan(outline.chains, elements, outline.no_local) if elements else NOTHING


def hairpin_keys(outline: Outline) -> set[str]:
    return {f"{target.ip} . {target.ip}" for targets in outline.hairpins for target in targets}


def desired(
    services: Mapping[str, Service], slices: Mapping[str, Sequence[EndpointSlice]], *, node: NodeView
) -> ServicePlan:
    """Returns the plans of all Services merged (keys of both are the Service's `namespace/name`)."""
    chains: dict[str, Chain] = {}
    elements: dict[str, dict[str, str]] = {}
    for key in sorted(services):
        plan = plan_service(services[key], slices.get(key, ()), node=node)
        chains.update(plan.chains)
        for set_name, held in plan.elements.items():
            elements.setdefault(set_name, {}).update(held)
    return ServicePlan(chains, elements)


def _place(frontend: Frontend, family: Family) -> Place:
    if not frontend.ip:
        return Place(rules.node_key(family), f"{frontend.protocol} . {frontend.port}")
    return Place(rules.address_key(family), f"{frontend.protocol} . {frontend.ip} . {frontend.port}")


class _Draft:
    """A plan under construction."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._sticky = is_sticky(service)
        self._chains: dict[str, Chain] = {}
        self._frame: dict[str, dict[str, str]] = {}
        self._lists: list[Slots] = []
        self._hairpins: list[tuple[Target, ...]] = []
        self._no_local: set[str] = set()

    def outline(self) -> Outline:
        return Outline(self._chains, self._frame, tuple(self._lists), tuple(self._hairpins), frozenset(self._no_local))

    def put(self, set_name: str, key: str, value: str) -> None:
        self._frame.setdefault(set_name, {})[key] = value

    def add(self, frontend: Frontend, at: Place, chosen: Chosen) -> None:
        """Adds the elements that send a connection for the frontend to one of the port's endpoints, or refuse it."""
        if frontend.restricted:
            self._restrict(at)
        if not chosen.cluster:
            if frontend.external:
                self.put(at.lookup.map(rules.UNSERVED), at.key, "")
            return
        if self._sticky:
            self._remember(at)
        if not frontend.external:
            targets = chosen.local if keeps_internal_traffic(self._service) else chosen.cluster
            self._lead(rules.SERVICES, frontend, at, self._spread(at, targets))
        elif keeps_external_traffic(self._service):
            self._lead(rules.SERVICES, frontend, at, rules.masquerading_local(self._spread(at, chosen.cluster)))
            self._lead(rules.EXTERNAL, frontend, at, self._spread(at, chosen.local, local=True))
        else:
            self._lead(rules.SERVICES, frontend, at, rules.masquerading(self._spread(at, chosen.cluster)))
        if chosen.local and not any(chosen.local is known for known in self._hairpins):
            self._hairpins.append(chosen.local)

    def _lead(self, set_name: str, frontend: Frontend, at: Place, chain: Chain) -> None:
        if chain is rules.DROP:
            self._no_local.add("external" if frontend.external else "internal")
        self._chains[chain.name] = chain
        self.put(at.lookup.map(set_name), at.key, chain.number)

    def _restrict(self, at: Place) -> None:
        ranges = source_ranges(self._service, at.lookup.family)
        if ranges is None:
            return
        self.put(rules.RESTRICTED, at.key, "")
        for text in ranges:
            self.put(rules.ALLOWED, f"{at.key} . {text}", "")

    def _remember(self, at: Place) -> None:
        way = rules.timeout(at.lookup, affinity_timeout_s(self._service))
        self._chains.update((chain.name, chain) for chain in way)
        self.put(at.lookup.map(rules.TIMEOUTS), at.key, f"goto {way[-1].name}")

    def _spread(self, at: Place, targets: tuple[Target, ...], *, local: bool = False) -> Chain:
        """Returns the chain that sends to one of the targets, and adds the elements that the chain looks up."""
        if not targets:
            return rules.DROP
        self._lists.append(Slots(at, rules.LOCAL_SLOT if local else 0, self._sticky, targets))
        way = (rules.sticky if self._sticky else rules.slots)(at.lookup, len(targets), local=local)
        self._chains.update((chain.name, chain) for chain in way)
        return way[-1]


def _stable_ids(targets: Sequence[Target]) -> Iterator[int]:
    """Yields a number for each target that does not depend on the others and is not a slot; the local-list bit stays
    free."""
    taken: set[int] = set()
    for target in targets:
        number = _as_id(zlib.crc32(f"{target.ip}:{target.port}".encode()))
        while number in taken:
            number = _as_id(number + 1)
        taken.add(number)
        yield number


def _as_id(number: int) -> int:
    return (number & 0xFFFFFFFF & ~rules.LOCAL_SLOT) | _ID_BIT


@lru_cache(maxsize=8192)
def mark(number: int) -> str:
    return rules.mark(number)
