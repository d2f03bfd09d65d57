"""Edits of chains and their text for `iptables-restore --noflush`, and what `iptables-save` says of them. Pure.

A rule is kept as the text that `iptables-save` prints, without `-A <chain>`, so that what is read back compares equal
to what was written, and what somebody looks at is what was written. What must stay true:
- A `Restore` is of one table and is done as a whole or not at all; several in one input are done one after the other.
- A `Block` is never torn apart: before it and after it the chains are fit for traffic. A list of blocks can therefore
  be cut anywhere between two of them, and `pack` does so where the kernel does not take all at once: inside a user
  namespace the program cannot raise its send buffer above net.core.wmem_default (212,992 bytes, some 300 rules).

Rejected: writing chains as wholes whatever their size. The chain of a Service with 5,000 endpoints is 2 MB for the
kernel, more than one transaction, and for a moment it would have a part of its rules only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain as joined
from typing import Literal, NamedTuple, Protocol

from fairlead.net.errors import KernelRefused

TABLES = ("filter", "nat", "mangle")
BUILT_IN = frozenset({"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"})
NFT_LIMIT = 200_000
"""Bytes that one transaction may need, as `weight` counts them."""

Verb = Literal["make", "append", "insert", "replace", "delete", "cut", "remove"]


class Refused(KernelRefused):
    """The program or the kernel refused. What came before it in the same input may have been done."""


class TooLarge(Refused):
    """More than one transaction can carry."""


class Unavailable(Refused):
    """No program, or a kernel without what it needs. The text names the cure."""


class Edit(NamedTuple):
    """One line of a restore's input."""

    verb: Verb
    """`make`: the chain is there and empty after it. `cut`: deletes by place (the rule is what stands there, which
    takes room in a transaction all the same), `delete` by what the rule says."""
    chain: str
    rule: str = ""
    at: int = 1
    """A rule's place, from 1."""


Block = tuple[Edit, ...]


class Restore(NamedTuple):
    """Edits of one table, done together."""

    table: str
    edits: tuple[Edit, ...]

    def render(self) -> str:
        return "\n".join((f"*{self.table}", *map(_line, self.edits), "COMMIT\n"))

    @property
    def rules(self) -> int:
        """How many rules it carries."""
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
    """A chain whose rules are all of one owner. `parts` are lists that grow and shrink at their beginnings."""

    name: str
    parts: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    @property
    def rules(self) -> tuple[str, ...]:
        return self.parts[0] if len(self.parts) == 1 else tuple(joined.from_iterable(self.parts))


_SMALL = 64
"""Rules; a chain with fewer is written anew as a whole, which is as fast as one line of it."""


def make(chain: Chain) -> list[Block]:
    """Makes a chain that no packet comes to yet. Where it is long, it may be made in several transactions."""
    edits = (Edit("make", chain.name), *(Edit("append", chain.name, rule) for rule in chain.rules))
    return [edits] if len(edits) <= _SMALL else [(edit,) for edit in edits]


def change(old: Chain, new: Chain) -> list[Block]:
    """Turns a chain that packets come to into another one. Each block leaves it whole."""
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
    """A part behind `start` other rules, counted from its end, line by line."""
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
    """Bytes that an edit takes in a transaction of nf_tables, measured with 1.8.9 and rounded up."""
    rule = edit.rule
    if not rule:
        return 80
    return 190 + sum([bytes_ for words, bytes_ in _WEIGHTS if words in rule])


def pack(table: str, blocks: Iterable[Block], limit: int | None) -> Iterator[Restore]:
    """As few transactions as take them. A block that is larger than the limit has one to itself."""
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
    """What a table holds: the rules of each chain."""

    chains: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def parse_save(text: str) -> dict[str, Saved]:
    """By table, from `iptables-save`."""
    found: dict[str, Saved] = {}
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
            found[table] = Saved({name: tuple(rules) for name, rules in chains.items()})
    return found


_COUNTED = re.compile(r"-A \S+ (.*?)-c (\d+) \d+(?: (-j .*))?")


def parse_counts(text: str) -> dict[str, int]:
    """By rule, from `iptables -S <chain> -v`."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        if counted := _COUNTED.fullmatch(line):
            rule = f"{counted[1]}{counted[3] or ''}".strip()
            found[rule] = found.get(rule, 0) + int(counted[2])
    return found


_TARGET = re.compile(r"-[jg] (\S+)")


def target(rule: str) -> str:
    """Where a rule leads, which may be a chain; empty where it only counts."""
    found = _TARGET.search(rule)
    return found[1] if found else ""


class Iptables(Protocol):
    """One family's rules in one network namespace. All raise Refused."""

    @property
    def limit(self) -> int | None:
        """How much one transaction may carry, as `weight` counts it; None where there is no limit."""
        ...

    async def restore(self, restores: Sequence[Restore]) -> None:
        """Carries them out in turn, up to the first that is refused."""
        ...

    async def save(self) -> Mapping[str, Saved]:
        """What `TABLES` hold; those that nobody ever used are not in the answer. Costs what the tables cost."""
        ...

    def foreign(self) -> int | None:
        """Counts up with every transaction of anybody else in nf_tables; None where rules are elsewhere."""
        ...

    def packets(self, table: str, chain: str) -> Mapping[str, int]:
        """How many packets each rule of a chain has seen."""
        ...
