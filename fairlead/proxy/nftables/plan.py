"""Which elements of the proxy's table a Service is, on one node. Pure; one small function for each traffic path.

A Service is planned alone: what it needs does not depend on other Services, so an event costs what one Service costs,
however many there are. Cluster IPs that nobody serves have no elements, and the table's fixed rules refuse; other
addresses, which might be somebody else's too, are refused by an element of their own.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from fairlead.api.core.service.kind import Service
from fairlead.api.discovery.endpointslice.kind import EndpointSlice
from fairlead.net.family import Family
from fairlead.net.nft.model import Chain, Elements
from fairlead.proxy.incremental import Candidates, candidates, moved
from fairlead.proxy.nftables import rules
from fairlead.proxy.nftables.rules import Door
from fairlead.proxy.placing import NO_ORDER, Order, rearranged
from fairlead.service.endpoints import SliceTargets, Target
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
"""Set in the ids of endpoints that clients stick to, so that no id is a slot."""


class Place(NamedTuple):
    """Where the elements of a frontend are."""

    door: Door
    key: str


Slot = tuple[str, str]
"""Container and key."""
_List = tuple[int, bool]
"""A port's index, and whether the list is of the targets on this node."""
_MANY = 16
"""From here on targets keep their slots while others come and go: one more would else move half of the others."""


@dataclass(frozen=True, slots=True, eq=False)
class Memo:
    """What a plan was made of, where its targets are many: the next one looks only at what is not the same."""

    service: Service
    node: NodeView
    pieces: Sequence[Sequence[SliceTargets]]
    """By port, as what follows."""
    whole: Sequence[tuple[bool, bool]]
    orders: Mapping[_List, Order]
    token: object = field(default_factory=object)
    """Which memo this is, for those who must not keep it."""


@dataclass(frozen=True, slots=True)
class Since:
    """Which slots are not as they were in the plan with that memo."""

    token: object
    slots: Collection[Slot]


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """What one Service needs: chains, which may be there already, and elements."""

    chains: Mapping[str, Chain] = field(default_factory=dict)
    elements: Elements = field(default_factory=dict)
    no_local: frozenset[str] = frozenset()
    """The traffic that finds no endpoint on this node and may go to no other: `internal`, `external`."""
    memo: Memo | None = field(default=None, compare=False, repr=False)
    since: Since | None = field(default=None, compare=False, repr=False)
    """Where the plan was made by changing another one."""

    def differs_at(self, before: ServicePlan) -> Collection[Slot] | None:
        """Where at most it differs from the other plan; None where that is not known."""
        known = self.since is not None and before.memo is not None and self.since.token is before.memo.token
        return self.since.slots if self.since is not None and known else None


NOTHING = ServicePlan()


def plan_service(
    service: Service | None, slices: Iterable[EndpointSlice], *, node: NodeView, before: ServicePlan = NOTHING
) -> ServicePlan:
    """The plan of one Service from its slices; `NOTHING` where it needs none. `before` is the one to change from."""
    if service is None or not has_frontends(service):
        return NOTHING
    memo, known = before.memo, list(slices)
    alike = memo is not None and memo.service is service and memo.node == node
    ports, family = service.spec.ports, node.family
    pieces = memo.pieces if memo is not None and alike else [()] * len(ports)
    found = [candidates(port, known, node=node, before=some) for port, some in zip(ports, pieces, strict=True)]
    orders = _orders(found, memo, alike=alike)
    changing = alike and not is_sticky(service) and _all_many(orders) and memo is not None and _all_many(memo.orders)
    draft = _Draft(service, orders, before if changing else None)
    for index, port in enumerate(ports):
        for frontend in frontends(service, port, family=family):
            draft.add(frontend, _place(frontend, family), index)
    for ip in load_balancer_vips(service, family):
        draft.put(rules.BALANCED, ip, "")
    many = any(order.places for order in orders.values())
    if not many:
        return draft.plan(None)
    return draft.plan(Memo(service, node, [some.pieces for some in found], [some.whole for some in found], orders))


def _all_many(orders: Mapping[_List, Order]) -> bool:
    return all(order.places for (_, local), order in orders.items() if not local)


def _orders(found: Sequence[Candidates], memo: Memo | None, *, alike: bool) -> Mapping[_List, Order]:
    """Which targets have which slots. `alike`: the memo is of the same Service and node."""
    before = memo.orders if memo is not None else {}
    orders = {}
    for index, of_port in enumerate(found):
        among: set[Target] | None = None
        if memo is not None and alike:
            among = moved(of_port.pieces, memo.pieces[index])
        for local, targets in ((False, of_port.cluster), (True, of_port.local)):
            if len(of_port.cluster) < _MANY:
                orders[index, local] = Order(tuple(sorted(targets)))
                continue
            old = before.get((index, local), NO_ORDER)
            whole = memo is not None and alike and of_port.whole[local] and memo.whole[index][local]
            old = old if old.places else NO_ORDER
            orders[index, local] = rearranged(targets, old, among=among if whole and old.places else None)
    return orders


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


class _Draft:
    """A plan in the making: anew, or by changing the one before it, which was of the same Service."""

    def __init__(self, service: Service, orders: Mapping[_List, Order], before: ServicePlan | None) -> None:
        self._service = service
        self._orders = orders
        self._before = before
        self._sticky = is_sticky(service)
        self._chains: dict[str, Chain] = {}
        self._elements: dict[str, dict[str, str]] = {}
        self._hairpins: set[str] = set()
        """Of this node's targets; not looked at where these are as they were."""
        self._moved = before is None or any(order.changed for (_, local), order in orders.items() if local)
        self._no_local: set[str] = set()
        self._touched: set[Slot] = set()

    def plan(self, memo: Memo | None) -> ServicePlan:
        if self._before is not None and self._before.memo is not None:
            return self._changed(self._before.elements, self._before.memo.token, memo)
        if self._hairpins:
            self._elements[rules.HAIRPIN] = dict.fromkeys(self._hairpins, "")
        if not self._elements:
            return NOTHING
        return ServicePlan(self._chains, self._elements, frozenset(self._no_local), memo)

    def _changed(self, before: Elements, token: object, memo: Memo | None) -> ServicePlan:
        elements = {**before, **self._elements}
        if self._moved:
            old = before.get(rules.HAIRPIN, {})
            self._touched.update((rules.HAIRPIN, key) for key in old.keys() ^ self._hairpins)
            elements[rules.HAIRPIN] = dict.fromkeys(self._hairpins, "")
        held = {container: held for container, held in elements.items() if held}
        return ServicePlan(self._chains, held, frozenset(self._no_local), memo, Since(token, self._touched))

    def put(self, container: str, key: str, value: str) -> None:
        if self._before is None:
            held = self._elements.get(container)
            if held is None:
                held = self._elements[container] = {}
            held[key] = value
        elif (held := self._own(container)).get(key) != value:
            self._touched.add((container, key))
            held[key] = value

    def _drop(self, container: str, key: str) -> None:
        if self._own(container).pop(key, None) is not None:
            self._touched.add((container, key))

    def _own(self, container: str) -> dict[str, str]:
        """The elements as they were, to be changed."""
        held = self._elements.get(container)
        if held is None:
            before = self._before.elements.get(container, {}) if self._before is not None else {}
            held = self._elements[container] = dict(before)
        return held

    def add(self, frontend: Frontend, at: Place, index: int) -> None:
        """What takes a connection to the frontend to one of the port's endpoints, or refuses it."""
        cluster, local = self._orders[index, False], self._orders[index, True]
        if frontend.restricted:
            self._restrict(at)
        if not cluster.targets:
            if frontend.external:
                self.put(at.door.map(rules.UNSERVED), at.key, "")
            return
        if self._sticky:
            self._remember(at)
        if not frontend.external:
            wanted = local if keeps_internal_traffic(self._service) else cluster
            self._lead(rules.SERVICES, frontend, at, self._spread(at, wanted))
        elif keeps_external_traffic(self._service):
            self._lead(rules.SERVICES, frontend, at, rules.near(self._spread(at, cluster)))
            self._lead(rules.OUTSIDE, frontend, at, self._spread(at, local, local=True))
        else:
            self._lead(rules.SERVICES, frontend, at, rules.masquerading(self._spread(at, cluster)))
        if self._moved:
            self._hairpins.update(f"{target.ip} . {target.ip}" for target in local.targets)

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

    def _spread(self, at: Place, order: Order, *, local: bool = False) -> Chain:
        """The chain that sends to one of the targets, with the elements that it looks up."""
        offset, count = rules.LOCAL_SLOT if local else 0, len(order.targets)
        if self._sticky:
            self._stick(at, order.targets, offset)
        else:
            self._fill(at, order, offset)
        if not count:
            return rules.DROP
        way = (rules.sticky if self._sticky else rules.slots)(at.door, count, local=local)
        self._chains.update((chain.name, chain) for chain in way)
        return way[-1]

    def _fill(self, at: Place, order: Order, offset: int) -> None:
        """The slots: those that changed, where the others are there from before."""
        container, targets = at.door.map(rules.ENDPOINTS), order.targets
        for place in range(len(targets)) if self._before is None else order.changed:
            slot = f"{at.key} . {mark(place + offset)}"
            if place < len(targets):
                self.put(container, slot, f"{targets[place].ip} . {targets[place].port}")
            else:
                self._drop(container, slot)

    def _stick(self, at: Place, targets: Sequence[Target], offset: int) -> None:
        """Slots that lead to ids, and ids to endpoints."""
        for place, (number, target) in enumerate(zip(_stable_ids(targets), targets, strict=True)):
            chosen = mark(number | offset)
            self.put(at.door.map(rules.PICKS), f"{at.key} . {mark(place + offset)}", chosen)
            self.put(at.door.map(rules.ENDPOINTS), f"{at.key} . {chosen}", f"{target.ip} . {target.port}")


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
