"""Keeps the kernel's present elements and the desired ones, and computes the exact changes between the two.

What must stay true: the cost of `update` depends on the Services passed to it, not on all Services. Each element
records the Services that need it. Services may share an element (the hairpin entry of a Pod behind two Services). Two
may also compete for one for a moment (an address freed and assigned again between two syncs): the latest claim
counts.

The state is a value that the loop owns; `update` and `resync` only propose a transaction, and `done` records that it
was applied.

Rules are written once and then only compared, in the kernel's printed form: `record_texts` records the printed form
of the right rules. If a predecessor's marker is the same, its fixed chains are trusted; otherwise they are rewritten
around the elements, in one transaction.

Unused chains are deleted by a transaction of their own, after all others. Until the kernel has accepted it they stay
on record as present, so a refusal changes nothing, and the next call of `idle` proposes them again. A chain is never
deleted before the chains that lead to it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from fairlead.net.nft.model import ElementChange, Snapshot, Table, Transaction, changes
from fairlead.proxy.nftables.incremental import Planned, Slot
from fairlead.proxy.nftables.plan import NOTHING, ServicePlan
from fairlead.proxy.nftables.rules import DISPATCH, ENDPOINTS, EXTERNAL, MARKER, SERVICES, TIMEOUTS, UNSERVED
from fairlead.proxy.planning.backend import Address, UdpFrontend

_TARGET = re.compile(r"\b(?:goto|jump) (\w+)")
_Items = Collection[tuple[str, str]]
"""Keys and values."""


class TableMirror:
    """The mirror of one table. `current` is the kernel's content; `desired` is the sum of the plans so far."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._roles = {s.name: s.role for s in table.sets}
        self._chains = {chain.name: chain for chain in table.chains}
        """All desired chains, and those that were desired lately."""
        self._fixed = frozenset(self._chains)
        self._marker = frozenset(name for name in self._fixed if name.startswith(MARKER))
        self._stale_chains: frozenset[str] = frozenset()
        """Unneeded chains that were found in the kernel."""
        self._idle: frozenset[str] = frozenset()
        """Chains that no element led to at the last `idle`."""
        self._texts: dict[str, str] = {}
        self._damaged: set[str] = set()
        self.current: dict[str, dict[str, str]] = {}
        self.desired: dict[str, dict[str, str]] = {}
        self._current_chains: set[str] = set()
        self._present = False
        self._replaces_live = False
        self._plans: dict[str, ServicePlan] = {}
        self._sharers: dict[Slot, set[str]] = {}
        """The Services that need an element, if there are several."""
        self._owner: dict[str, dict[str, str]] = {}

    @property
    def plans(self) -> Mapping[str, ServicePlan]:
        """Returns the plans of the Services that have elements."""
        return self._plans

    @property
    def services(self) -> int:
        """Returns the number of Services that have elements."""
        return len(self._plans)

    def endpoints_of(self, frontend: UdpFrontend) -> frozenset[Address] | None:
        """Returns the endpoints that may answer at the frontend; None if there are none."""
        prefix = "" if frontend.ip else "node_"
        key = f"udp . {frontend.ip} . {frontend.port}" if frontend.ip else f"udp . {frontend.port}"
        if self._owned(prefix + UNSERVED, key) is not None:
            return frozenset()
        plan = self._owned(prefix + SERVICES, key)
        if plan is None:
            return None
        values = plan.elements.get(prefix + ENDPOINTS, {})
        pairs = (value.split(" . ") for slot, value in values.items() if slot.startswith(f"{key} . "))
        return frozenset((ip, int(port)) for ip, port in pairs)

    def _owned(self, set_name: str, key: str) -> ServicePlan | None:
        """Returns the plan that the element belongs to."""
        service = self._owner.get(set_name, {}).get(key)
        return self._plans.get(service) if service is not None else None

    def observe(self, snapshot: Snapshot | None) -> None:
        """Records the kernel's content. None, or rules other than ours, means that the content is not usable."""
        self._present = snapshot is not None and snapshot.version == self._table.version
        if snapshot is not None and self._present and not self._foreign_hooks(snapshot):
            self.current = {name: dict(elements) for name, elements in snapshot.elements.items()}
            others = frozenset(name for name in snapshot.chains if name.startswith(MARKER)) != self._marker
            self._stale_chains = snapshot.chains - self._chains.keys()
            self._damaged = {
                name
                for name in snapshot.chains
                if (others and name in self._fixed) or not self._as_written(name, snapshot.rules.get(name, "0"))
            }
            self._current_chains = set(snapshot.chains) - self._damaged
            return
        self._present, self._replaces_live = False, snapshot is not None
        self.current, self._current_chains, self._damaged, self._stale_chains = {}, set(), set(), frozenset()

    def record_texts(self, texts: Mapping[str, str]) -> None:
        """Records the printed form of the chains, now that they are right."""
        self._texts = {name: text for name, text in texts.items() if name in self._current_chains}

    def _as_written(self, name: str, text: str) -> bool:
        chain = self._chains.get(name)
        if chain is None:
            return False
        if name in self._texts:
            return self._texts[name] == text
        return text.split()[0] == str(len(chain.rules))

    def _foreign_hooks(self, snapshot: Snapshot) -> bool:
        """Returns whether the table has a foreign base chain."""
        return not snapshot.hooks <= self._chains.keys()

    def update(self, planned: Mapping[str, Planned]) -> Transaction:
        """Records new plans of some Services and proposes the transaction that applies them."""
        touched: set[Slot] = set()
        order = sorted(planned)
        claims: list[tuple[str, str, _Items]] = []
        for service in order:
            for set_name, had, has in _differing(self._plans.get(service, NOTHING), planned[service]):
                for key, _ in had:
                    self._release(set_name, key, service)
                    touched.add((set_name, key))
                claims.append((set_name, service, has))
        for service in order:
            self._add_plan(service, planned[service].plan, touched)
        for set_name, service, items in claims:
            for key, value in items:
                self._claim(set_name, key, value, service)
                touched.add((set_name, key))
        return self._transaction(self._difference(touched))

    def _add_plan(self, service: str, plan: ServicePlan, touched: set[Slot]) -> None:
        if plan.elements:
            self._plans[service] = plan
        else:
            self._plans.pop(service, None)
        for chain in plan.chains.values():
            dispatch = self.desired.setdefault(DISPATCH, {})
            if chain.number and chain.number not in dispatch:
                touched.add((DISPATCH, chain.number))
                dispatch[chain.number] = f"goto {chain.name}"
            self._chains.setdefault(chain.name, chain)

    def resync(self) -> Transaction:
        """Proposes the transaction from the whole present content to the whole desired content."""
        return self._transaction(changes(self.current, self.desired, self._roles), self._unknown)

    @property
    def _unknown(self) -> frozenset[str]:
        """Returns the chains in the kernel's table that no Service needs and that no plan of this process made."""
        return self._stale_chains - self._chains.keys()

    def idle(self) -> Transaction:
        """Proposes to delete the chains that no element leads to, now and at the last call: each makes changes
        dearer.

        Walks all frontends, so call it only periodically."""
        idle = frozenset(self._chains.keys() - self._leading())
        gone = (idle & self._idle) - self._reached(idle - self._idle)
        self._idle = idle
        numbers = {number for name in gone if (number := self._chains[name].number)}
        for number in numbers:
            self.desired[DISPATCH].pop(number, None)
        present = gone & (self._current_chains | self._damaged)
        for name in gone - present:
            del self._chains[name]
        return self._transaction(self._difference({(DISPATCH, number) for number in numbers}), present | self._unknown)

    @property
    def idling(self) -> bool:
        """Returns whether another call of `idle` may have something to delete."""
        return bool(self._idle or self._unknown)

    def _leading(self) -> set[str]:
        """Returns the fixed chains, the chains that elements lead to, and all chains that these lead to."""
        led = (SERVICES, EXTERNAL, f"node_{SERVICES}", f"node_{EXTERNAL}")
        numbers = {number for name in led for number in self.desired.get(name, {}).values()}
        verdicts = {v for name in (TIMEOUTS, f"node_{TIMEOUTS}") for v in self.desired.get(name, {}).values()}
        named = (name for name, chain in self._chains.items() if chain.number in numbers)
        return self._reached((*self._fixed, *named, *(verdict.removeprefix("goto ") for verdict in verdicts)))

    def _reached(self, names: Iterable[str]) -> set[str]:
        """Returns these chains and all chains that they lead to."""
        reached: set[str] = set()
        ahead = [*names]
        while ahead:
            name = ahead.pop()
            if name in self._chains and name not in reached:
                reached.add(name)
                ahead += [target for rule in self._chains[name].rules for target in _TARGET.findall(rule)]
        return reached

    def done(self, part: Transaction) -> None:
        """Records that the kernel has accepted the transaction, or this part of it."""
        if part.replace:
            self.current, self._present, self._replaces_live, self._texts = {}, True, False, {}
            self._current_chains = {chain.name for chain in part.replace.chains}
            self._damaged, self._stale_chains = set(), frozenset()
        filling = not part.chains and all(chain.packed for chain in part.rewrite)
        for chain in (*part.chains, *part.rewrite):
            # A packed chain is made without its rules, which come in a later part.
            there, other = self._current_chains, self._damaged
            if chain.packed and not filling:
                there, other = other, there
            there.add(chain.name)
            other.discard(chain.name)
            self._texts.pop(chain.name, None)
        for name in part.delete_chains:
            self._current_chains.discard(name)
            self._damaged.discard(name)
            self._texts.pop(name, None)
            self._chains.pop(name, None)
        self._idle -= frozenset(part.delete_chains)
        self._stale_chains -= frozenset(part.delete_chains)
        for change in part.changes:
            if change.new is None:
                self.current[change.set_name].pop(change.key, None)
            else:
                self.current.setdefault(change.set_name, {})[change.key] = change.new

    @property
    def present(self) -> bool:
        """Returns whether the kernel has the table."""
        return self._present

    def pending(self, changes: Iterable[ElementChange]) -> tuple[ElementChange, ...]:
        """Returns the changes that the kernel has not accepted yet."""
        return tuple(
            change for change in changes if self.current.get(change.set_name, {}).get(change.key) != change.new
        )

    def _transaction(self, differences: Iterable[ElementChange], delete_chains: Collection[str] = ()) -> Transaction:
        table = self._table
        known = self._current_chains if self._present else {chain.name for chain in table.chains}
        missing = [self._chains[name] for name in sorted(self._chains.keys() - known - {*delete_chains})]
        rewrite = tuple(c for c in missing if c.name in self._damaged)
        return Transaction(
            table.name,
            None if self._present else table,
            tuple(c for c in missing if c.name not in self._damaged),
            tuple(differences),
            table.family,
            rewrite,
            self._replaces_live,
            tuple(sorted(delete_chains)),
        )

    def _difference(self, touched: Iterable[Slot]) -> Iterable[ElementChange]:
        for set_name, key in sorted(touched):
            old = self.current.get(set_name, {}).get(key)
            new = self.desired.get(set_name, {}).get(key)
            if old != new:
                yield ElementChange(set_name, key, old, new, self._roles.get(set_name, "data"))

    def _claim(self, set_name: str, key: str, value: str, service: str) -> None:
        owners = self._owner.setdefault(set_name, {})
        before = owners.get(key)
        if before is not None and before != service:
            self._sharers.setdefault((set_name, key), {before}).add(service)
        owners[key] = service
        self.desired.setdefault(set_name, {})[key] = value

    def _release(self, set_name: str, key: str, service: str) -> None:
        owners = self._owner[set_name]
        sharers = self._sharers.get((set_name, key))
        if sharers is None:
            del owners[key], self.desired[set_name][key]
            return
        sharers.discard(service)
        successor = owners[key] if owners[key] in sharers else min(sharers)
        if len(sharers) == 1:
            del self._sharers[set_name, key]
        owners[key] = successor
        self.desired[set_name][key] = self._plans[successor].elements[set_name][key]


def _differing(old: ServicePlan, planned: Planned) -> Iterator[tuple[str, _Items, _Items]]:
    """Yields, by set, the items of the old plan alone and of the new plan alone."""
    new = planned.plan
    if planned.since is not old:
        for set_name in sorted({*old.elements, *new.elements}):
            had, has = old.elements.get(set_name, {}).items(), new.elements.get(set_name, {}).items()
            yield set_name, had - has, has - had
        return
    for set_name, key in sorted(planned.slots):
        before, after = old.elements.get(set_name, {}).get(key), new.elements.get(set_name, {}).get(key)
        if before != after:
            yield set_name, _item(key, before), _item(key, after)


def _item(key: str, value: str | None) -> _Items:
    return () if value is None else ((key, value),)
