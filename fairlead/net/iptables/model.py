"""Edits of chains and their text for `iptables-restore --noflush`, and the parsed output of `iptables-save`. Pure.

A rule is stored as the text that `iptables-save` prints, without `-A <chain>`: rules that are read back compare equal
to those written, and users see the same text.

What must stay true:
- A `Restore` is of one table and is done as a whole or not at all; several in one input are done one after the other.
- A `Block` is never torn apart: before it and after it the chains are fit for traffic. A list of blocks can therefore
  be cut anywhere between two of them. `pack` cuts it if the kernel does not accept all at once: inside a user namespace
  the program cannot raise its send buffer above net.core.wmem_default (212,992 bytes, some 300 rules).

Rejected: writing whole chains whatever their size. The chain of a Service with 5,000 endpoints is 2 MB for the kernel,
which is more than one transaction. For a moment the chain would have only a part of its rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain as joined
from typing import Literal, NamedTuple, Protocol

from fairlead.base.dataclass import dataclass, field
from fairlead.net.errors import KernelError

TABLES = ("filter", "nat", "mangle")
BUILT_IN = frozenset({"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})
NFT_LIMIT = 200_000
"""The most bytes of one transaction, as `weight` counts them."""

Verb = Literal["make", "append", "insert", "replace", "delete", "cut", "remove"]


class IptablesError(KernelError):
    """The program or the kernel refused. Earlier restores in the same input may have been done."""


class TooLarge(IptablesError):
    """The change is larger than one transaction may be."""


class Unavailable(IptablesError):
    """The program is missing, or the kernel lacks a feature. The text names the cure."""


class Edit(NamedTuple):
    """A line of a restore's input."""

    verb: Verb
    """The action of the line. `make` creates the chain, or flushes it. `cut` deletes a rule by its place (the rule's
    text is given too, since a deletion takes room in a transaction all the same), `delete` by the rule's text."""
    chain: str
    rule: str = ""
    at: int = 1
    """The place of the rule, from 1."""


Block = tuple[Edit, ...]


class Restore(NamedTuple):
    """The edits of one table, done together."""

    table: str
    edits: tuple[Edit, ...]

    def render(self) -> str:
        return "\n".join((f"*{self.table}", *map(_line, self.edits), "COMMIT\n"))

    @property
    def rules(self) -> int:
        """Returns the number of rules in the edits."""
        return sum(1 for edit in self.edits if edit.verb in ("append", "insert", "replace"))


def _line(edit: Edit) -> str:
    verb, name, rule, at = edit
    if verb == "append":
        return f"-A {name} {rule}"
    if verb == "make":
        return f":{name} - [0:0]"
    return {
        "insert": f"-I {name} {at} {rule}",
        "replace": f"-R {name} {at} {rule}",
        "delete": f"-D {name} {rule}",
        "cut": f"-D {name} {at}",
        "remove": f"-X {name}",
    }[verb]


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain whose rules all have one owner. `parts` are lists that grow and shrink at their beginnings."""

    name: str
    parts: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    @property
    def rules(self) -> tuple[str, ...]:
        return self.parts[0] if len(self.parts) == 1 else tuple(joined.from_iterable(self.parts))


_SMALL = 64
"""Rules; a smaller chain is rewritten as a whole, which is as fast as writing one line of it."""


def make(chain: Chain) -> list[Block]:
    """Creates a chain that no rule jumps to yet. A long chain may be created in several transactions."""
    edits = (Edit("make", chain.name), *(Edit("append", chain.name, rule) for rule in chain.rules))
    return [edits] if len(edits) <= _SMALL else [(edit,) for edit in edits]


def change(old: Chain, new: Chain) -> list[Block]:
    """Turns a chain in use into another one. Each block leaves the chain complete."""
    if old.parts == new.parts:
        return []
    if len(new) <= _SMALL or len(old.parts) != len(new.parts):
        return [(Edit("make", new.name), *(Edit("append", new.name, rule) for rule in new.rules))]
    blocks: list[Block] = []
    start = 0
    for had, has in zip(old.parts, new.parts, strict=True):
        blocks += _grow(new.name, start, had, has)
        start += len(has)
    return blocks


def _grow(chain: str, start: int, old: Sequence[str], new: Sequence[str]) -> list[Block]:
    """Edits, line by line, a part that follows `start` other rules; counts from the end of the part."""
    edits = [
        Edit("replace", chain, new[-back], start + len(old) - back + 1)
        for back in range(1, min(len(old), len(new)) + 1)
        if old[-back] != new[-back]
    ]
    edits += [Edit("insert", chain, rule, start + 1) for rule in reversed(new[: max(len(new) - len(old), 0)])]
    edits += [Edit("cut", chain, rule, start + 1) for rule in old[: max(len(old) - len(new), 0)]]
    return [(edit,) for edit in edits]


_WEIGHTS = (
    ("--comment ", 305),
    ("-s ", 110),
    ("-d ", 110),
    ("-m tcp ", 190),
    ("-m udp ", 190),
    ("-m sctp ", 440),
    ("-m recent ", 285),
    ("-m statistic ", 90),
    ("-m addrtype ", 90),
    ("-m mark ", 90),
    ("-m conntrack ", 230),
)


def weight(edit: Edit) -> int:
    """Returns the bytes that an edit takes in a transaction of nf_tables, measured with 1.8.9 and rounded up."""
    rule = edit.rule
    if not rule:
        return 80
    return 190 + sum([bytes_ for words, bytes_ in _WEIGHTS if words in rule])


def pack(table: str, blocks: Iterable[Block], limit: int | None) -> Iterator[Restore]:
    """Packs the blocks into as few transactions as possible. A block above the limit gets a transaction for itself."""
    edits: list[Edit] = []
    size = 0
    for block in blocks:
        more = sum(map(weight, block)) if limit is not None else 0
        if edits and limit is not None and size + more > limit:
            yield Restore(table, tuple(edits))
            edits, size = [], 0
        edits += block
        size += more
    if edits:
        yield Restore(table, tuple(edits))


@dataclass(frozen=True, slots=True)
class Saved:
    """A saved table: the rules of each chain."""

    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def parse_save(text: str) -> dict[str, Saved]:
    """Parses the output of `iptables-save`; returns the tables by name."""
    tables: dict[str, Saved] = {}
    chains: dict[str, list[str]] = {}
    table = ""
    for line in text.splitlines():
        first = line[:1]
        if first == "-":
            _, name, *rule = line.split(" ", 2)
            chains[name].append(rule[0] if rule else "")
        elif first == ":":
            chains[line[1:].partition(" ")[0]] = []
        elif first == "*":
            table, chains = line[1:], {}
        elif line == "COMMIT":
            tables[table] = Saved({name: tuple(rules) for name, rules in chains.items()})
    return tables


_COUNTED = re.compile(r"-A \S+ (.*?)-c (\d+) \d+(?: (-j .*))?")


def parse_counts(text: str) -> dict[str, int]:
    """Parses the output of `iptables -S <chain> -v`; returns packet counts by rule."""
    counts: dict[str, int] = {}
    for line in text.splitlines():
        if counted := _COUNTED.fullmatch(line):
            rule = f"{counted[1]}{counted[3] or ''}".strip()
            counts[rule] = counts.get(rule, 0) + int(counted[2])
    return counts


_TARGET = re.compile(r"-[jg] (\S+)")


def target(rule: str) -> str:
    """Returns the target of a rule, which may be a chain; empty if the rule only counts."""
    match = _TARGET.search(rule)
    return match[1] if match else ""


class Iptables(Protocol):
    """The rules of one family in one network namespace. All methods raise IptablesError."""

    @property
    def limit(self) -> int | None:
        """Returns the most that one transaction may carry, as `weight` counts it; None means no limit."""
        ...

    async def restore(self, restores: Sequence[Restore]) -> None:
        """Applies the restores in order and stops at the first that is refused."""
        ...

    async def save(self) -> Mapping[str, Saved]:
        """Returns the content of `TABLES`, without tables that were never used. The cost grows with the size of the
        tables."""
        ...

    def foreign(self) -> int | None:
        """Returns a count of foreign transactions in nf_tables; None if the rules are kept elsewhere."""
        ...

    def packets(self, table: str, chain: str) -> Mapping[str, int]:
        """Returns the packet count of each rule of a chain."""
        ...
