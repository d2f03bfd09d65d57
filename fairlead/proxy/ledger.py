"""What the kernel holds and what it should hold, and the exact changes between the two.

What must stay true: `take` costs what the Services handed to it cost, not what all cost. Each element has the Services
that want it on record, since Services may share one (the hairpin entry of a Pod behind two Services) or, for a moment,
contend for one (an address freed and given away again between two looks): the latest claim counts.

The state is a value that the loop owns; `take` and `resync` only propose a transaction, and `done` says it was applied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fairlead.net.nft.model import Change, Snapshot, Table, Transaction, changes
from fairlead.proxy.plan import NOTHING, ServicePlan

_Slot = tuple[str, str]
"""Container and key."""


class Ledger:
    """`held` is what the kernel has; `wanted` what the plans taken so far add up to."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.held: dict[str, dict[str, str]] = {}
        self.wanted: dict[str, dict[str, str]] = {}
        self._held_chains: set[str] = set()
        self._present = False
        self._plans: dict[str, ServicePlan] = {}
        self._sharers: dict[_Slot, set[str]] = {}
        """Who wants an element, where it is more than one."""
        self._owner: dict[str, dict[str, str]] = {}

    @property
    def plans(self) -> Mapping[str, ServicePlan]:
        """Those of Services that have elements."""
        return self._plans

    @property
    def services(self) -> int:
        """How many Services have elements."""
        return len(self._plans)

    def found(self, snapshot: Snapshot | None) -> None:
        """Takes over what the kernel was seen to hold; None, or other rules than ours, means nothing of use."""
        self._present = snapshot is not None and snapshot.version == self._table.version
        if snapshot is None or not self._present:
            self.held, self._held_chains = {}, set()
            return
        self.held = {name: dict(elements) for name, elements in snapshot.elements.items()}
        self._held_chains = set(snapshot.chains)

    def take(self, plans: Mapping[str, ServicePlan]) -> Transaction:
        """Takes over new plans of some Services and proposes what makes the kernel follow."""
        touched: set[_Slot] = set()
        for service in sorted(plans):
            for container, elements in self._plans.pop(service, NOTHING).elements.items():
                for key in elements:
                    self._release(container, key, service)
                    touched.add((container, key))
        for service in sorted(plans):
            plan = plans[service]
            if plan.elements:
                self._plans[service] = plan
            for container, elements in plan.elements.items():
                for key, value in elements.items():
                    self._claim(container, key, value, service)
                    touched.add((container, key))
        return self._transaction(self._difference(touched), (plans[service] for service in sorted(plans)))

    def resync(self) -> Transaction:
        """Proposes what turns all that is held into all that is wanted."""
        return self._transaction(changes(self.held, self.wanted), (self._plans[k] for k in sorted(self._plans)))

    def done(self, part: Transaction) -> None:
        """The kernel has taken the transaction, or this part of it."""
        if part.replace:
            self.held, self._present = {}, True
            self._held_chains = {chain.name for chain in part.replace.chains}
        self._held_chains.update(chain.name for chain in part.chains)
        for change in part.changes:
            if change.new is None:
                self.held[change.container].pop(change.key, None)
            else:
                self.held.setdefault(change.container, {})[change.key] = change.new

    def _transaction(self, differences: Iterable[Change], plans: Iterable[ServicePlan]) -> Transaction:
        replace = None if self._present else self._table
        known = self._held_chains if self._present else {chain.name for chain in self._table.chains}
        chains = {name: chain for plan in plans for name, chain in plan.chains.items() if name not in known}
        added = tuple(chains[name] for name in sorted(chains))
        return Transaction(self._table.name, replace, added, tuple(differences))

    def _difference(self, touched: Iterable[_Slot]) -> Iterable[Change]:
        for container, key in sorted(touched):
            old = self.held.get(container, {}).get(key)
            new = self.wanted.get(container, {}).get(key)
            if old != new:
                yield Change(container, key, old, new)

    def _claim(self, container: str, key: str, value: str, service: str) -> None:
        owners = self._owner.setdefault(container, {})
        before = owners.get(key)
        if before is not None and before != service:
            self._sharers.setdefault((container, key), {before}).add(service)
        owners[key] = service
        self.wanted.setdefault(container, {})[key] = value

    def _release(self, container: str, key: str, service: str) -> None:
        owners = self._owner[container]
        sharers = self._sharers.get((container, key))
        if sharers is None:
            del owners[key], self.wanted[container][key]
            return
        sharers.discard(service)
        heir = owners[key] if owners[key] in sharers else min(sharers)
        if len(sharers) == 1:
            del self._sharers[container, key]
        owners[key] = heir
        self.wanted[container][key] = self._plans[heir].elements[container][key]
