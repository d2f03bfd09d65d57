"""A table of maps and chains, changes of single elements, and their text in nft's syntax.

A table is of one address family, `ip` or `ip6`, and so is a transaction. What must stay true:
- A transaction names the old and the new value of each element: the kernel's table is never listed to make a change,
  and nothing is tried speculatively (a transaction that fails costs 8 ms, one that succeeds 0.05 ms:
  docs/measurements.md, 3).
- Its text is sorted: the same change gives the same bytes.
- Its parts are safe one by one: the targets of an element are added before it and deleted after it.

Keys and values are kept as the text that libnftables prints (`tcp . 10.96.0.10 . 80`, marks as `0x00000003`), so that
elements that are read back compare equal to those written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import takewhile
from typing import Literal, Protocol, TypeVar

from fairlead.base.dataclass import dataclass, field
from fairlead.net.conntrack.model import FlowTable
from fairlead.net.errors import KernelError

R = TypeVar("R")

MAX_CHANGES = 4000
"""The most elements of a transaction. Inside a user namespace libnftables cannot raise its send buffer above
net.core.wmem_default (212,992 bytes); from about 4,800 elements on the kernel returns EMSGSIZE (docs/measurements.md,
3)."""

MAX_CHAINS = 200
"""The most chains of packed rules in a transaction, for the same reason: a chain with a rule takes some 500 bytes."""

KERNEL_LIMIT = 4800
"""Larger transactions are refused here, even if a large send buffer would take them: other machines would refuse
them."""

_ATTEMPTS = 20
"""Listings at most until one is whole. A hash table doubles a few times at most under load."""

Elements = Mapping[str, Mapping[str, str]]
"""Key and value of each element, by map or set; the value is empty in a set."""


Role = Literal["data", "index", "entry", "ranges"]
"""`index`: elements whose values are keys of data elements; add those first, delete them last. `entry`: elements that
dispatch packets; add their targets first, delete them last. `ranges`: overlaps are refused, so old elements must be
deleted before new ones are added."""

_ORDER: Mapping[Role, tuple[int, int]] = {"data": (1, 5), "index": (2, 4), "entry": (3, 3), "ranges": (1, 0)}
"""The phase of an addition, and of a deletion."""
PHASES = 6


class NftError(KernelError):
    """The kernel or the library refused; nothing of the transaction was done."""


class Exists(NftError):
    """The key exists already, with another value."""


class Missing(NftError):
    """A table, chain, map or element that is named does not exist."""


class Busy(NftError):
    """The object to be deleted is still referred to."""


class TooLarge(NftError):
    """The transaction is larger than the kernel accepts."""


class Torn(NftError):
    """The content changed while it was listed: the listing repeats some elements and lacks others."""


class Unavailable(NftError):
    """libnftables is missing, or the kernel lacks nf_tables. The text names the cure."""


def until_whole(read: Callable[[], R]) -> R:
    """Returns the first answer of `read` that is not torn. Raises Torn after the last attempt.

    The kernel lists a set in parts and resumes each part by the number of elements listed before. It grows the hash
    table of a set later than the transaction, in a work queue, and marks no listing that this reorders: only an
    element that is listed twice shows it (Linux 6.18)."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return read()
        except Torn:
            continue
    return read()


def put_once(elements: dict[str, str], key: str, value: str) -> None:
    """Adds an element of a listing. Raises Torn if the listing had it before."""
    if key in elements:
        raise Torn(f"the element {key} was listed twice")
    elements[key] = value


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A map, or a set if `value` is empty. Types as in nft: `inet_proto . ipv4_addr . inet_service`."""

    name: str
    key: str
    value: str = ""
    options: tuple[str, ...] = ()
    """Further lines of the declaration, such as `flags dynamic,timeout`."""
    role: Role = "data"

    @property
    def dynamic(self) -> bool:
        """Returns True if rules fill the map: its elements are then not part of a mirror."""
        return any("dynamic" in option for option in self.options)

    def render(self) -> list[str]:
        kind, types = ("map", f"{self.key} : {self.value}") if self.value else ("set", self.key)
        return [f"\t{kind} {self.name} {{", *(f"\t\t{line}" for line in (f"type {types}", *self.options)), "\t}"]


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of rules in nft's syntax; `hook` makes it a base chain (`type nat hook prerouting priority dstnat`)."""

    name: str
    rules: tuple[str, ...]
    hook: str = ""
    number: str = ""
    """The chain's key in the verdict map through which elements of plain maps reach it; empty if there is no such
    key."""
    packed: bool = False
    """The rules are not for libnftables (`dynset.py`): the chain is created without rules, which follow in a part of
    their own."""

    def render(self) -> list[str]:
        head = (f"{self.hook}; policy accept;",) if self.hook else ()
        rules = () if self.packed else self.rules
        return [f"\tchain {self.name} {{", *(f"\t\t{line}" for line in (*head, *rules)), "\t}"]


@dataclass(frozen=True, slots=True)
class Table:
    """The fixed part of a table, created once; afterwards only elements and further chains change."""

    name: str
    sets: tuple[NamedSet, ...]
    chains: tuple[Chain, ...]
    version: str = ""
    """Stored in the kernel as the table's comment; shows whether an existing table has these rules."""
    family: str = "ip"
    counters: tuple[str, ...] = ()

    def render(self) -> list[str]:
        lines = [f"table {self.family} {self.name} {{"]
        if self.version:
            lines.append(f'\tcomment "{self.version}"')
        lines += [f"\tcounter {name} {{ }}" for name in self.counters]
        for named_set in self.sets:
            lines += named_set.render()
        for chain in self.chains:
            lines += chain.render()
        return [*lines, "}"]


@dataclass(frozen=True, slots=True, order=True)
class ElementChange:
    """A change of one element. `None` means that the element is absent before or after."""

    set_name: str
    key: str
    old: str | None
    new: str | None
    role: Role = field(default="data", compare=False)
    """The role of the map or set."""

    @property
    def phase(self) -> int:
        """Returns the phase in the safe order of changes."""
        return _ORDER[self.role][self.new is None]

    @property
    def verdict(self) -> bool:
        value = self.new if self.new is not None else self.old
        return value is not None and value.startswith(("goto ", "jump "))


@dataclass(frozen=True, slots=True)
class Transaction:
    """A set of changes, done as a whole or not at all."""

    table: str
    replace: Table | None = None
    """Creates this table, in place of an existing one of the same name."""
    chains: tuple[Chain, ...] = ()
    """Chains to add."""
    changes: tuple[ElementChange, ...] = ()
    family: str = "ip"
    rewrite: tuple[Chain, ...] = ()
    """Chains to flush and fill with these rules."""
    replaces_live: bool = False
    """The replaced table exists and carries traffic."""
    delete_chains: tuple[str, ...] = ()
    """Chains to delete: after the changes nothing but one of these chains refers to them."""

    def __bool__(self) -> bool:
        return bool(self.structure or self.changes)

    @property
    def structure(self) -> bool:
        """Returns True if more than elements changes."""
        return bool(self.replace or self.chains or self.rewrite or self.delete_chains)

    def split(self, limit: int = MAX_CHANGES) -> Iterator[Transaction]:
        """Yields parts that the kernel accepts, each leaving the table fit for traffic. One part if that is enough.

        Verdicts come with their target chains; the rest can then be packed without nft's grammar.
        """
        if not self.structure and len(self.changes) <= limit:
            if self.changes:
                yield self
            return
        ordered = sorted(self.changes, key=lambda c: (c.phase, c.set_name, c.key))
        first, rest = ordered[:limit], ordered[limit:]
        if self.structure and not (self.replace and self.replaces_live):
            # A table that replaces another starts with all that fits; other transactions start with the part that must
            # be text.
            first = [c for c in ordered if c.verdict and c.role == "data" and c.new is not None]
            rest = [c for c in ordered if not (c.verdict and c.role == "data" and c.new is not None)]
        part = Transaction(self.table, self.replace, self.chains, tuple(first), self.family, self.rewrite)
        if part:
            yield part
        packed = tuple(chain for chain in (*self.chains, *self.rewrite) if chain.packed)
        for start in range(0, len(packed), MAX_CHAINS):
            yield Transaction(self.table, family=self.family, rewrite=packed[start : start + MAX_CHAINS])
        for start in range(0, len(rest), limit):
            yield Transaction(self.table, changes=tuple(rest[start : start + limit]), family=self.family)
        if self.delete_chains:
            yield Transaction(self.table, family=self.family, delete_chains=self.delete_chains)

    def render(self) -> str:
        lines: list[str] = []
        where = f"{self.family} {self.table}"
        if self.replace:
            # The first line makes sure that a table exists to delete.
            lines += [f"table {where}", f"delete table {where}", *self.replace.render()]
        lines += [f"flush chain {where} {chain.name}" for chain in self.rewrite]
        if self.chains or self.rewrite:
            lines.append(f"table {where} {{")
            for chain in (*self.chains, *self.rewrite):
                lines += chain.render()
            lines.append("}")
        for phase in range(PHASES):
            chosen = [c for c in self.changes if c.phase == phase]
            lines += self._render_elements("delete", {(c.set_name, c.key): "" for c in chosen if c.old is not None})
            lines += self._render_elements("add", {(c.set_name, c.key): c.new for c in chosen if c.new is not None})
        # The chains may refer to one another.
        lines += [f"{verb} chain {where} {name}" for verb in ("flush", "delete") for name in self.delete_chains]
        return "\n".join(lines) + "\n"

    def _render_elements(self, verb: str, elements: Mapping[tuple[str, str], str]) -> Iterator[str]:
        last = ""
        for set_name, key in sorted(elements):
            if set_name != last:
                if last:
                    yield "}"
                yield f"{verb} element {self.family} {self.table} {set_name} {{"
                last = set_name
            value = elements[set_name, key]
            yield f"\t{key} : {value}," if value else f"\t{key},"
        if last:
            yield "}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The content of a table in the kernel."""

    version: str
    chains: frozenset[str]
    elements: Elements
    """The elements, without those of dynamic maps."""
    hooks: frozenset[str] = frozenset()
    """The base chains."""
    rules: Mapping[str, str] = field(default_factory=dict, compare=False)
    """For each chain with rules: their number, then a text that stays the same until the rules are changed."""


class Nft(FlowTable, Protocol):
    """The kernel's tables, and the flows that they translated, in one network namespace. All methods raise NftError;
    those for flows raise KernelError."""

    def execute(self, transaction: Transaction) -> None: ...

    def read(self, table: str, family: str = "ip") -> Snapshot | None:
        """Returns the table's content, or None if the table does not exist. Takes 10 µs an element: for start-up and
        after errors only."""
        ...

    def delete(self, table: str, family: str = "ip") -> bool:
        """Deletes the whole table with its content. Returns False if the table does not exist."""
        ...

    def rules(self, table: str, family: str = "ip") -> Mapping[str, str]:
        """Returns the rules as `read` does, without reading elements."""
        ...

    def generation(self) -> int:
        """Returns a number that rises with every transaction in any table, foreign ones included."""
        ...

    def foreign(self) -> int:
        """Returns `generation` without the transactions made through this object."""
        ...

    def counters(self, table: str, family: str = "ip") -> Mapping[str, int]:
        """Returns the packets counted by each of the table's counters."""
        ...


def changes(current: Elements, desired: Elements, roles: Mapping[str, Role] | None = None) -> Iterator[ElementChange]:
    """Returns the exact differences, in sorted order."""
    known = roles or {}
    for set_name in sorted({*current, *desired}):
        have, want = current.get(set_name, {}), desired.get(set_name, {})
        for key in sorted({*have, *want}):
            old, new = have.get(key), want.get(key)
            if old != new:
                yield ElementChange(set_name, key, old, new, known.get(set_name, "data"))


def parse_table(text: str) -> Snapshot:
    """Parses the output of `list table`, printed with numeric protocols. Raises Torn."""
    version = ""
    chains: set[str] = set()
    hooks: set[str] = set()
    elements: dict[str, dict[str, str]] = {}
    set_name, dynamic = "", False
    lines = iter(text.splitlines())
    for line in lines:
        words = line.split(None, 2)
        if not words:
            continue
        if words[0] == "comment" and not version:
            version = line.strip().removeprefix("comment ").strip('"')
        elif words[0] == "chain":
            chains.add(words[1])
            if any(" hook " in rule for rule in _block(lines)):
                hooks.add(words[1])
        elif words[0] in ("map", "set"):
            set_name, dynamic = words[1], False
        elif words[0] == "flags":
            dynamic = "dynamic" in line
        elif words[0] == "elements":
            parsed = _parse_elements(line, lines)
            if not dynamic:
                elements[set_name] = parsed
    return Snapshot(version, frozenset(chains), elements, frozenset(hooks))


def _block(lines: Iterator[str]) -> list[str]:
    return list(takewhile(lambda line: line != "\t}", lines))


_PROTOCOLS = {"6": "tcp", "17": "udp", "132": "sctp"}


def _parse_elements(first: str, rest: Iterable[str]) -> dict[str, str]:
    text = first.partition("{")[2]
    parts = [text]
    if "}" not in text:
        for line in rest:
            parts.append(line)
            if line.endswith("}"):
                break
    elements: dict[str, str] = {}
    for element in "".join(parts).rstrip(" }").split(","):
        key, _, value = element.strip().partition(" : ")
        protocol, dot, tail = key.partition(" . ")
        if protocol in _PROTOCOLS:
            key = _PROTOCOLS[protocol] + dot + tail
        put_once(elements, key, value)
    return elements
