"""The tables without a kernel, refusing what the kernel refuses, with the same errors.

The contract suite (`tests/contract/test_nft.py`) runs over both, so that this cannot drift.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from fairlead.net.conntrack.model import Flow
from fairlead.net.nft.model import Chain, Change, Exists, Missing, NftError, Snapshot, Table, TooLarge, Transaction

KERNEL_LIMIT = 4800
"""Elements a transaction, about."""

_CONTAINER = re.compile(r"@(\w+)")
_TARGET = re.compile(r"\b(?:goto|jump) (\w+)")


@dataclass
class FakeTable:
    """One table's state, open to tests and to the tracer."""

    table: Table
    chains: dict[str, Chain] = field(default_factory=dict)
    elements: dict[str, dict[str, str]] = field(default_factory=dict)

    def copy(self) -> FakeTable:
        return FakeTable(self.table, dict(self.chains), {name: dict(held) for name, held in self.elements.items()})


class FakeNft:
    def __init__(self) -> None:
        self.tables: dict[str, FakeTable] = {}
        self.log: list[Transaction] = []
        """Every transaction that succeeded."""
        self.tracked: list[Flow] = []
        """The flows that there are."""
        self.failures: list[NftError] = []
        """Raised, first one first, by the next calls of `run`."""

    def run(self, transaction: Transaction) -> None:
        if self.failures:
            raise self.failures.pop(0)
        if len(transaction.changes) > KERNEL_LIMIT:
            raise TooLarge("Could not process rule: Message too long")
        state = self._after(transaction)
        self.tables[transaction.table] = state
        self.log.append(transaction)

    def read(self, table: str) -> Snapshot | None:
        state = self.tables.get(table)
        if state is None:
            return None
        dynamic = {c.name for c in state.table.containers if c.dynamic}
        kept = {name: dict(held) for name, held in state.elements.items() if held and name not in dynamic}
        return Snapshot(state.table.version, frozenset(state.chains), kept)

    def flows(self) -> list[Flow]:
        return list(self.tracked)

    def forget(self, flows: Iterable[Flow]) -> int:
        gone = set(flows)
        before = len(self.tracked)
        self.tracked = [flow for flow in self.tracked if flow not in gone]
        return before - len(self.tracked)

    def _after(self, transaction: Transaction) -> FakeTable:
        if transaction.replace:
            table = transaction.replace
            state = FakeTable(table, {}, {c.name: {} for c in table.containers})
            _add_chains(state, table.chains)
        elif transaction.table in self.tables:
            state = self.tables[transaction.table].copy()
        else:
            raise Missing(f"no table {transaction.table}")
        _add_chains(state, transaction.chains)
        for phase in range(3):
            chosen = [c for c in transaction.changes if c.phase == phase]
            _delete(state, (c for c in chosen if c.old is not None))
            _add(state, (c for c in chosen if c.new is not None))
        return state


def _add_chains(state: FakeTable, chains: Iterable[Chain]) -> None:
    added = {chain.name: chain for chain in chains}
    known = {*state.chains, *added}
    for chain in added.values():
        for rule in chain.rules:
            missing = {*_CONTAINER.findall(rule)} - {*state.elements} or {*_TARGET.findall(rule)} - known
            if missing:
                raise Missing(f"chain {chain.name}: No such file or directory: {sorted(missing)}")
        held = state.chains.get(chain.name)
        # The kernel appends rules to a chain that is there.
        state.chains[chain.name] = Chain(chain.name, held.rules + chain.rules, held.hook) if held else chain


def _held(state: FakeTable, change: Change) -> dict[str, str]:
    try:
        return state.elements[change.container]
    except KeyError:
        raise Missing(f"No such file or directory: {change.container}") from None


def _delete(state: FakeTable, changes: Iterable[Change]) -> None:
    for change in changes:
        held = _held(state, change)
        if change.key not in held:
            raise Missing(f"No such file or directory: {change.container} {change.key}")
        del held[change.key]


def _add(state: FakeTable, changes: Iterable[Change]) -> None:
    for change in changes:
        held, value = _held(state, change), change.new or ""
        if held.get(change.key, value) != value:
            raise Exists(f"File exists: {change.container} {change.key}")
        missing = {*_TARGET.findall(value)} - {*state.chains}
        if missing:
            raise Missing(f"No such file or directory: {sorted(missing)}")
        held[change.key] = value
