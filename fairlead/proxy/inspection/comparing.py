"""Compares two lists of rules: two readings of the kernel, or the plan and the kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from fairlead.proxy.inspection.lines import RuleLine
from fairlead.proxy.inspection.ruleset import NftRules, RuleSet
from fairlead.proxy.nftables.rules import AFFINITY, AFFINITY_SLOTS, DISPATCH, ENDPOINTS, MARKER

_TRAFFIC = frozenset(f"map {prefix}{AFFINITY}" for prefix in ("", "node_"))
"""Maps that packets fill: their entries are not rules."""
_SLOTS = frozenset(f"map {prefix}{name}" for prefix in ("", "node_") for name in (ENDPOINTS, AFFINITY_SLOTS))
_DRAWING = ("KUBE-SVC-", "KUBE-SVL-")

Key = tuple[str, str, str, str, str]


class Difference(NamedTuple):
    removed: list[RuleLine]
    added: list[RuleLine]

    def __bool__(self) -> bool:
        return bool(self.removed or self.added)

    def as_tree(self) -> dict[str, Any]:
        """Returns the tree for `-o json`."""
        return {
            "removed": [line.as_tree() for line in self.removed],
            "added": [line.as_tree() for line in self.added],
        }


def compare(old: Iterable[RuleLine], new: Iterable[RuleLine]) -> Difference:
    """Returns the lines of one side alone, each as often as the other side lacks it. Their order does not count."""
    return _difference([*old], [*new], _key)


def compare_with_plan(plan: Iterable[RuleLine], kernel: Iterable[RuleLine]) -> Difference:
    """Returns what the kernel lacks of the plan (`removed`), and what it has beside the plan (`added`).

    The places of endpoints do not count: those of a large Service depend on the past."""
    return _difference([*plan], [*kernel], _unplaced)


def without_leftovers(rules: RuleSet, lines: Iterable[RuleLine]) -> list[RuleLine]:
    """Returns the lines without those of unused chains, which the proxy deletes later."""
    if not isinstance(rules, NftRules):
        return [*lines]
    reached, kept = rules.reached(), []
    for line in lines:
        kind, name = line.place.split()
        target = line.text.partition(" : goto ")[2] if name == DISPATCH else name
        idle = (kind == "chain" or name == DISPATCH) and target not in reached and not target.startswith(MARKER)
        if not idle:
            kept.append(line)
    return kept


def _difference(old: list[RuleLine], new: list[RuleLine], key: Any) -> Difference:
    missing = Counter(key(line) for line in new)
    missing.subtract(key(line) for line in old)
    removed = [line for line in old if _counts(line) and _take(missing, key(line), -1)]
    added = [line for line in new if _counts(line) and _take(missing, key(line), 1)]
    return Difference(removed, added)


def _take(missing: Counter[Key], key: Key, sign: int) -> bool:
    """Returns whether the key is missing on the other side, and takes one of the missing."""
    if missing[key] * sign <= 0:
        return False
    missing[key] -= sign
    return True


def _counts(line: RuleLine) -> bool:
    return line.place not in _TRAFFIC


def _key(line: RuleLine) -> Key:
    return line.node, line.family, line.table, line.place, line.text


def _unplaced(line: RuleLine) -> Key:
    text = line.text
    if line.place in _SLOTS:
        key, _, value = text.partition(" : ")
        slot = key.rpartition(" . ")[2]
        # A slot below 2^30 is among all endpoints, and an id is kept.
        kind = slot if int(slot, 16) & 1 << 31 else "local" if int(slot, 16) & 1 << 30 else "slot"
        text = f"{key.rpartition(' . ')[0]} . {kind} : {value}"
    chain = line.place.partition(" ")[2]
    if chain.startswith(_DRAWING) and "--probability" in text:
        text = f"{text.partition(' -m statistic')[0]} -j {text.rpartition(' -j ')[2]}"
    return line.node, line.family, line.table, line.place, text
