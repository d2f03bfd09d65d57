"""Which elements of the proxy's table a Service is, on one node. Pure; one small function for each traffic path.

A Service is planned alone: what it needs does not depend on other Services, so an event costs what one Service costs,
however many there are. Cluster IPs that nobody serves have no elements, and the table's fixed rules refuse; other
addresses, which might be somebody else's too, are refused by an element of their own.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from fairlead.api.endpointslice import EndpointSlice
from fairlead.api.service import Service
from fairlead.net.family import Family
from fairlead.net.nft.model import Chain, Elements
from fairlead.proxy.endpoints import Chosen, NodeView, Target, arranged, choose
from fairlead.proxy.frontends import (
    Frontend,
    affinity_timeout_s,
    balanced,
    frontends,
    is_ours,
    is_sticky,
    source_ranges,
)
from fairlead.proxy.nftables import rules
from fairlead.proxy.nftables.rules import Door

_ID_BIT = 1 << 31
"""Set in the ids of endpoints that clients stick to, so that no id is a slot."""


class Place(NamedTuple):
    """Where the elements of a frontend are."""

    door: Door
    key: str


_List = tuple[int, bool]
"""A port's index, and whether the list is of the targets on this node."""
_MANY = 16
"""From here on targets keep their slots while others come and go: one more would else move half of the others."""


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """What one Service needs: chains, which may be there already, and elements."""

    chains: Mapping[str, Chain] = field(default_factory=dict)
    elements: Elements = field(default_factory=dict)
    no_local: frozenset[str] = frozenset()
    """The traffic that finds no endpoint on this node and may go to no other: `internal`, `external`."""
    orders: Mapping[_List, tuple[Target, ...]] = field(default_factory=dict)
    """Which targets have which slots, where they are many."""


NOTHING = ServicePlan()


def plan_service(
    service: Service | None, slices: Iterable[EndpointSlice], *, node: NodeView, before: ServicePlan = NOTHING
) -> ServicePlan:
    """The plan of one Service from its slices; `NOTHING` where it needs none. `before` is the one to change from."""
    if service is None or not is_ours(service):
        return NOTHING
    known = list(slices)
    draft = _Draft(service)
    for index, port in enumerate(service.spec.ports):
        chosen = draft.ordered(index, choose(port, known, node=node), before)
        for frontend in frontends(service, port, family=node.family):
            draft.add(frontend, _place(frontend, node.family), chosen)
    _add_balanced(draft, service, node.family)
    return draft.plan()


def desired(
    services: Mapping[str, Service], slices: Mapping[str, Sequence[EndpointSlice]], *, node: NodeView
) -> ServicePlan:
    """The plans of all Services in one (keys of both are the Service's `namespace/name`)."""
    chains: dict[str, Chain] = {}
    elements: dict[str, dict[str, str]] = {}
    for key in sorted(services):
        plan = plan_service(services[key], slices.get(key, ()), node=node)
        chains.update(plan.chains)
        for container, held in plan.elements.items():
            elements.setdefault(container, {}).update(held)
    return ServicePlan(chains, elements)


def _place(frontend: Frontend, family: Family) -> Place:
    if not frontend.ip:
        return Place(rules.node_door(family), f"{frontend.protocol} . {frontend.port}")
    return Place(rules.address_door(family), f"{frontend.protocol} . {frontend.ip} . {frontend.port}")


def _add_balanced(draft: _Draft, service: Service, family: Family) -> None:
    for ip in balanced(service, family):
        draft.put(rules.BALANCED, ip, "")


class _Draft:
    """A plan in the making."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._sticky = is_sticky(service)
        self._chains: dict[str, Chain] = {}
        self._elements: dict[str, dict[str, str]] = {}
        self._no_local: set[str] = set()
        self._orders: dict[_List, tuple[Target, ...]] = {}

    def plan(self) -> ServicePlan:
        if not self._elements:
            return NOTHING
        return ServicePlan(self._chains, self._elements, frozenset(self._no_local), self._orders)

    def ordered(self, index: int, chosen: Chosen, before: ServicePlan) -> Chosen:
        """With the targets in the places that they had before."""
        if len(chosen.cluster) < _MANY:
            return chosen
        lists = []
        for local, targets in ((False, chosen.cluster), (True, chosen.local)):
            old = before.orders.get((index, local))
            self._orders[index, local] = arranged(targets, old) if old else targets
            lists.append(self._orders[index, local])
        return Chosen(*lists)

    def put(self, container: str, key: str, value: str) -> None:
        held = self._elements.get(container)
        if held is None:
            held = self._elements[container] = {}
        held[key] = value

    def add(self, frontend: Frontend, at: Place, chosen: Chosen) -> None:
        """What takes a connection to the frontend to one of the port's endpoints, or refuses it."""
        spec = self._service.spec
        if frontend.restricted:
            self._restrict(at)
        if not chosen.cluster:
            if frontend.external:
                self.put(at.door.map(rules.UNSERVED), at.key, "")
            return
        if self._sticky:
            self._remember(at)
        if not frontend.external:
            local = spec.internalTrafficPolicy == "Local"
            self._lead(rules.SERVICES, frontend, at, self._spread(at, chosen.local if local else chosen.cluster))
        elif spec.externalTrafficPolicy == "Local":
            self._lead(rules.SERVICES, frontend, at, rules.near(self._spread(at, chosen.cluster)))
            self._lead(rules.OUTSIDE, frontend, at, self._spread(at, chosen.local, local=True))
        else:
            self._lead(rules.SERVICES, frontend, at, rules.masquerading(self._spread(at, chosen.cluster)))
        for target in (*chosen.cluster, *chosen.local):
            if target.local:
                self.put(rules.HAIRPIN, f"{target.ip} . {target.ip}", "")

    def _lead(self, container: str, frontend: Frontend, at: Place, chain: Chain) -> None:
        if chain is rules.DROP:
            self._no_local.add("external" if frontend.external else "internal")
        self._chains[chain.name] = chain
        self.put(at.door.map(container), at.key, chain.number)

    def _restrict(self, at: Place) -> None:
        ranges = source_ranges(self._service, at.door.family)
        if ranges is None:
            return
        self.put(rules.RESTRICTED, at.key, "")
        for text in ranges:
            self.put(rules.ALLOWED, f"{at.key} . {text}", "")

    def _remember(self, at: Place) -> None:
        way = rules.timeout(at.door, affinity_timeout_s(self._service))
        self._chains.update((chain.name, chain) for chain in way)
        self.put(at.door.map(rules.TIMEOUTS), at.key, f"goto {way[-1].name}")

    def _spread(self, at: Place, targets: Sequence[Target], *, local: bool = False) -> Chain:
        """The chain that sends to one of the targets, with the elements that it looks up."""
        if not targets:
            return rules.DROP
        door, offset = at.door, rules.LOCAL_SLOT if local else 0
        way = (rules.sticky if self._sticky else rules.slots)(door, len(targets), local=local)
        self._chains.update((chain.name, chain) for chain in way)
        slots = [f"{at.key} . {mark(slot + offset)}" for slot in range(len(targets))]
        if self._sticky:
            ids = [mark(number | offset) for number in _stable_ids(targets)]
            for slot, number in zip(slots, ids, strict=True):
                self.put(door.map(rules.PICKS), slot, number)
            slots = [f"{at.key} . {number}" for number in ids]
        for slot, target in zip(slots, targets, strict=True):
            self.put(door.map(rules.ENDPOINTS), slot, f"{target.ip} . {target.port}")
        return way[-1]


def _stable_ids(targets: Sequence[Target]) -> Iterator[int]:
    """A number for each that does not depend on the others, and is no slot; the bit of local lists is left free."""
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
