"""A fake of the iptables programs, without a kernel, that raises the same errors.

The contract suite (`tests/contract/test_iptables.py`) runs over this fake and both variants of the programs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairlead.net.iptables.model import BUILT_IN, Edit, IptablesError, Restore, Saved, target

HOOKS: Mapping[str, tuple[str, ...]] = {
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
}
_VERDICTS = frozenset({"", "ACCEPT", "DROP", "RETURN", "REJECT", "MARK", "DNAT", "MASQUERADE"})

Chains = dict[str, list[str]]


class FakeIptables:
    """The tables of one family, open to tests and to the tracer."""

    def __init__(self, family: str = "ip", *, limit: int | None = None) -> None:
        self.family = family
        self.tables: dict[str, Chains] = {}
        self.limit = limit
        self.log: list[Restore] = []
        """Every restore that succeeded."""
        self.refused: list[Restore] = []
        """Every restore that was refused because of its content."""
        self.calls = 0
        """The number of programs started to change tables."""
        self.failures: list[IptablesError] = []
        """Errors that the next calls of `restore` raise, in this order."""
        self.refuse_after: int | None = None
        """The number of restores in each call that succeed before one is refused."""
        self.packet_counts: dict[tuple[str, str, str], int] = {}
        """Packet counts of rules, by table, chain and rule."""
        self.saves = 0
        """The number of times that tables were read."""
        self.foreign_transactions = 0
        """The number of foreign transactions."""

    async def restore(self, restores: Sequence[Restore]) -> None:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        for done, restore in enumerate(restores):
            if done == self.refuse_after:
                raise IptablesError("iptables-restore: line 1 failed")
            chains = {name: list(rules) for name, rules in self.table(restore.table).items()}
            for number, edit in enumerate(restore.edits, 2):
                try:
                    _carry_out(edit, chains)
                except IptablesError as e:
                    self.refused.append(restore)
                    raise IptablesError(f"iptables-restore: line {number} failed: {e}") from None
            self.tables[restore.table] = chains
            self.log.append(restore)

    async def save(self) -> Mapping[str, Saved]:
        self.saves += 1
        return {
            table: Saved({name: tuple(rules) for name, rules in chains.items()})
            for table, chains in self.tables.items()
        }

    def foreign(self) -> int | None:
        return self.foreign_transactions

    def table(self, name: str) -> Chains:
        """Returns the table with the built-in chains that the programs create at its first change."""
        return self.tables.get(name) or {hook: [] for hook in HOOKS[name]}

    def packets(self, table: str, chain: str) -> Mapping[str, int]:
        if chain not in self.table(table):
            raise IptablesError(f"No chain/target/match by that name: {chain}")
        return {rule: self.packet_counts.get((table, chain, rule), 0) for rule in self.table(table)[chain]}


def _carry_out(edit: Edit, chains: Chains) -> None:
    verb, name, rule, at = edit
    if verb == "make":
        chains[name] = []
        return
    rules = _known(name, chains)
    if rule and verb not in ("delete", "cut") and target(rule) not in _VERDICTS:
        _known(target(rule), chains)
    if verb == "append":
        rules.append(rule)
    elif verb == "insert":
        _place(at, len(rules) + 1)
        rules.insert(at - 1, rule)
    elif verb == "replace":
        _place(at, len(rules))
        rules[at - 1] = rule
    elif verb == "cut":
        _place(at, len(rules))
        del rules[at - 1]
    elif verb == "delete":
        if rule not in rules:
            raise IptablesError("Bad rule (does a matching rule exist in that chain?)")
        rules.remove(rule)
    else:
        _remove(name, chains)


def _known(name: str, chains: Chains) -> list[str]:
    if name not in chains:
        raise IptablesError(f"No chain/target/match by that name: {name}")
    return chains[name]


def _place(at: int, last: int) -> None:
    if not 1 <= at <= last:
        raise IptablesError("Index of deletion too big")


def _remove(name: str, chains: Chains) -> None:
    if name in BUILT_IN or chains[name]:
        raise IptablesError(f"{name}: Directory not empty")
    if any(target(rule) == name for rules in chains.values() for rule in rules):
        raise IptablesError(f"{name}: Device or resource busy")
    del chains[name]
