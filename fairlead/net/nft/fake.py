"""A fake of the tables, without a kernel, that raises the same errors.

The contract suite (`tests/contract/test_nft.py`) runs over both, so that the fake cannot drift.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from fairlead.net.conntrack.model import Flow
from fairlead.net.nft.model import (
    KERNEL_LIMIT,
    PHASES,
    Busy,
    Chain,
    ElementChange,
    Exists,
    Missing,
    NftError,
    Snapshot,
    Table,
    TooLarge,
    Transaction,
)

_CONTAINER = re.compile(r"@(\w+)")
_TARGET = re.compile(r"\b(?:goto|jump) (\w+)")


@dataclass
class FakeTable:
    """The state of a table, open to tests and to the tracer."""

    table: Table
    chains: dict[str, Chain] = field(default_factory=dict)
    elements: dict[str, dict[str, str]] = field(default_factory=dict)

    def copy(self) -> FakeTable:
        return FakeTable(self.table, dict(self.chains), {name: dict(held) for name, held in self.elements.items()})


class FakeNft:
    def __init__(self) -> None:
        self.tables: dict[str, FakeTable] = {}
        """Tables by name; IPv6 tables have the key `ip6 <name>`."""
        self.log: list[Transaction] = []
        """Every transaction that succeeded."""
        self.refused: list[Transaction] = []
        """Every transaction that was refused because of its content."""
        self.tracked: list[Flow] = []
        """The flow entries."""
        self.failures: list[NftError] = []
        """Errors that the next calls of `execute` raise, in this order."""
        self.packet_counts: dict[str, int] = {}
        """Packet counts by counter."""
        self.unreadable: NftError | None = None
        """The error that `read` raises, until it is cleared."""
        self.reads = 0
        """The number of times that a whole table was read."""
        self.foreign_transactions = 0
        """The number of foreign transactions."""
        self.deleted = 0
        """The number of deleted tables."""

    def execute(self, transaction: Transaction) -> None:
        if self.failures:
            raise self.failures.pop(0)
        try:
            if len(transaction.changes) > KERNEL_LIMIT:
                raise TooLarge("Could not process rule: Message too long")
            state = self._after(transaction)
        except NftError:
            self.refused.append(transaction)
            raise
        self.tables[_name(transaction.table, transaction.family)] = state
        self.log.append(transaction)

    def delete(self, table: str, family: str = "ip") -> bool:
        if self.failures:
            raise self.failures.pop(0)
        content = self.tables.pop(_name(table, family), None)
        self.deleted += content is not None
        return content is not None

    def rules(self, table: str, family: str = "ip") -> dict[str, str]:
        snapshot = self._snapshot(table, family)
        if snapshot is None:
            raise Missing(f"no table {table}")
        return dict(snapshot.rules)

    def generation(self) -> int:
        return len(self.log) + self.deleted + self.foreign_transactions

    def foreign(self) -> int:
        return self.foreign_transactions

    def counters(self, table: str, family: str = "ip") -> dict[str, int]:
        state = self.tables.get(_name(table, family))
        if state is None:
            raise Missing(f"no table {table}")
        return {name: self.packet_counts.get(name, 0) for name in state.table.counters}

    def read(self, table: str, family: str = "ip") -> Snapshot | None:
        self.reads += 1
        if self.unreadable is not None:
            raise self.unreadable
        return self._snapshot(table, family)

    def _snapshot(self, table: str, family: str) -> Snapshot | None:
        state = self.tables.get(_name(table, family))
        if state is None:
            return None
        dynamic = {c.name for c in state.table.sets if c.dynamic}
        kept = {name: dict(held) for name, held in state.elements.items() if held and name not in dynamic}
        rules = {c.name: f"{len(c.rules)} {'; '.join(c.rules)}" for c in state.chains.values() if c.rules}
        hooks = frozenset(chain.name for chain in state.chains.values() if chain.hook)
        return Snapshot(state.table.version, frozenset(state.chains), kept, hooks, rules)

    def flows(self, family: str = "ip") -> list[Flow]:
        return [flow for flow in self.tracked if (":" in flow.target) == (family == "ip6")]

    def delete_flows(self, flows: Iterable[Flow]) -> int:
        gone = set(flows)
        before = len(self.tracked)
        self.tracked = [flow for flow in self.tracked if flow not in gone]
        return before - len(self.tracked)

    def _after(self, transaction: Transaction) -> FakeTable:
        if transaction.replace:
            table = transaction.replace
            state = FakeTable(table, {}, {c.name: {} for c in table.sets})
            _add_chains(state, table.chains)
        elif (name := _name(transaction.table, transaction.family)) in self.tables:
            state = self.tables[name].copy()
        else:
            raise Missing(f"no table {transaction.table}")
        for chain in transaction.rewrite:
            if chain.name not in state.chains:
                raise Missing(f"no chain {chain.name}")
            state.chains[chain.name] = Chain(chain.name, (), chain.hook)
        _add_chains(state, (*transaction.chains, *transaction.rewrite))
        for phase in range(PHASES):
            chosen = [c for c in transaction.changes if c.phase == phase]
            _delete(state, (c for c in chosen if c.old is not None))
            _add(state, (c for c in chosen if c.new is not None))
        _remove_chains(state, transaction.delete_chains)
        return state


def _name(table: str, family: str) -> str:
    return table if family == "ip" else f"{family} {table}"


def _add_chains(state: FakeTable, chains: Iterable[Chain]) -> None:
    added = {chain.name: chain for chain in chains}
    known = {*state.chains, *added}
    for chain in added.values():
        for rule in chain.rules:
            missing = {*_CONTAINER.findall(rule)} - {*state.elements} or {*_TARGET.findall(rule)} - known
            if missing:
                raise Missing(f"chain {chain.name}: No such file or directory: {sorted(missing)}")
        held = state.chains.get(chain.name)
        # The kernel appends rules to an existing chain.
        state.chains[chain.name] = Chain(chain.name, held.rules + chain.rules, held.hook) if held else chain


def _remove_chains(state: FakeTable, names: Iterable[str]) -> None:
    for name in names:
        if state.chains.pop(name, None) is None:
            raise Missing(f"no chain {name}")
    rules = (rule for chain in state.chains.values() for rule in chain.rules)
    values = (value for held in state.elements.values() for value in held.values())
    used = {target for text in (*rules, *values) for target in _TARGET.findall(text)}
    if used & set(names):
        raise Busy(f"Device or resource busy: {sorted(used & set(names))}")


def _held(state: FakeTable, change: ElementChange) -> dict[str, str]:
    try:
        return state.elements[change.set_name]
    except KeyError:
        raise Missing(f"No such file or directory: {change.set_name}") from None


def _delete(state: FakeTable, changes: Iterable[ElementChange]) -> None:
    for change in changes:
        held = _held(state, change)
        if change.key not in held:
            raise Missing(f"No such file or directory: {change.set_name} {change.key}")
        del held[change.key]


def _add(state: FakeTable, changes: Iterable[ElementChange]) -> None:
    for change in changes:
        held, value = _held(state, change), change.new or ""
        if held.get(change.key, value) != value:
            raise Exists(f"File exists: {change.set_name} {change.key}")
        missing = {*_TARGET.findall(value)} - {*state.chains}
        if missing:
            raise Missing(f"No such file or directory: {sorted(missing)}")
        held[change.key] = value
