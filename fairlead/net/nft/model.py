"""A table of maps and chains, changes of single elements, and their text in nft's syntax.

What must stay true:
- A transaction says what each element was and what it becomes: the kernel's table is never listed to make a change, and
  nothing is tried on the off-chance (a transaction that fails costs 8 ms, one that succeeds 0.05 ms).
- Its text is sorted: the same change gives the same bytes.
- Its parts are safe one by one: what a verdict leads to is there before the verdict, and goes after it.

Keys and values are kept as the text that libnftables prints (`tcp . 10.96.0.10 . 80`, marks as `0x00000003`), so that
what is read back compares equal to what was written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from fairlead.net.conntrack.model import Flow

MAX_CHANGES = 4000
"""Elements a transaction. Inside a user namespace libnftables cannot raise its send buffer above net.core.wmem_default
(212,992 bytes); from about 4,800 elements on the kernel says EMSGSIZE (facts, section 4.3)."""

Elements = Mapping[str, Mapping[str, str]]
"""Container -> key -> value; the value is empty in a set."""


class NftError(Exception):
    """The kernel or the library refused; nothing of the transaction was done."""


class Exists(NftError):
    """The key is there already, with another value."""


class Missing(NftError):
    """A table, chain, map or element that is named is not there."""


class Busy(NftError):
    """What is to be deleted is still referred to."""


class TooLarge(NftError):
    """More than one transaction can carry."""


class Unavailable(NftError):
    """No libnftables, or a kernel without nf_tables. The text names the cure."""


@dataclass(frozen=True, slots=True)
class Container:
    """A map, or a set where `value` is empty. Types as in nft: `inet_proto . ipv4_addr . inet_service`."""

    name: str
    key: str
    value: str = ""
    options: tuple[str, ...] = ()
    """Such as `flags dynamic,timeout`."""

    @property
    def dynamic(self) -> bool:
        """Filled by rules: its elements are no part of a mirror."""
        return any("dynamic" in option for option in self.options)

    def render(self) -> list[str]:
        kind, types = ("map", f"{self.key} : {self.value}") if self.value else ("set", self.key)
        return [f"\t{kind} {self.name} {{", *(f"\t\t{line}" for line in (f"type {types}", *self.options)), "\t}"]


@dataclass(frozen=True, slots=True)
class Chain:
    """Rules in nft's syntax; `hook` makes it a base chain (`type nat hook prerouting priority dstnat`)."""

    name: str
    rules: tuple[str, ...]
    hook: str = ""

    def render(self) -> list[str]:
        head = (f"{self.hook}; policy accept;",) if self.hook else ()
        return [f"\tchain {self.name} {{", *(f"\t\t{line}" for line in (*head, *self.rules)), "\t}"]


@dataclass(frozen=True, slots=True)
class Table:
    """The fixed part: made once, then only elements and further chains change."""

    name: str
    containers: tuple[Container, ...]
    chains: tuple[Chain, ...]
    version: str = ""
    """Kept in the kernel as the table's comment: says whether a table found there has these rules."""

    def render(self) -> list[str]:
        lines = [f"table ip {self.name} {{"]
        if self.version:
            lines.append(f'\tcomment "{self.version}"')
        for container in self.containers:
            lines += container.render()
        for chain in self.chains:
            lines += chain.render()
        return [*lines, "}"]


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """One element: None where it is absent before or after."""

    container: str
    key: str
    old: str | None
    new: str | None

    @property
    def phase(self) -> int:
        """0: must come before the verdicts, 1: a verdict, 2: only after them."""
        value = self.new if self.new is not None else self.old
        if value is not None and value.startswith(("goto ", "jump ")):
            return 1
        return 2 if self.new is None else 0


@dataclass(frozen=True, slots=True)
class Transaction:
    """Done as a whole or not at all."""

    table: str
    replace: Table | None = None
    """Make this table, in place of one of its name."""
    chains: tuple[Chain, ...] = ()
    """To be added."""
    changes: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.replace or self.chains or self.changes)

    def split(self, limit: int = MAX_CHANGES) -> Iterator[Transaction]:
        """Parts that the kernel takes, each leaving the table fit for traffic. One part where that is enough."""
        ordered = sorted(self.changes, key=lambda c: (c.phase, c))
        first = Transaction(self.table, self.replace, self.chains, tuple(ordered[:limit]))
        if first:
            yield first
        for start in range(limit, len(ordered), limit):
            yield Transaction(self.table, changes=tuple(ordered[start : start + limit]))

    def render(self) -> str:
        lines: list[str] = []
        if self.replace:
            # The first line makes sure that there is something to delete.
            lines += [f"table ip {self.table}", f"delete table ip {self.table}", *self.replace.render()]
        if self.chains:
            lines.append(f"table ip {self.table} {{")
            for chain in self.chains:
                lines += chain.render()
            lines.append("}")
        for phase in range(3):
            chosen = [c for c in self.changes if c.phase == phase]
            lines += self._render_elements("delete", {(c.container, c.key): "" for c in chosen if c.old is not None})
            lines += self._render_elements("add", {(c.container, c.key): c.new for c in chosen if c.new is not None})
        return "\n".join(lines) + "\n"

    def _render_elements(self, verb: str, elements: Mapping[tuple[str, str], str]) -> Iterator[str]:
        last = ""
        for container, key in sorted(elements):
            if container != last:
                if last:
                    yield "}"
                yield f"{verb} element ip {self.table} {container} {{"
                last = container
            value = elements[container, key]
            yield f"\t{key} : {value}," if value else f"\t{key},"
        if last:
            yield "}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the kernel holds of a table."""

    version: str
    chains: frozenset[str]
    elements: Elements
    """Without those of dynamic containers."""


class Nft(Protocol):
    """The kernel's tables, and the flows that they translated, in one network namespace. All raise NftError."""

    def run(self, transaction: Transaction) -> None: ...

    def read(self, table: str) -> Snapshot | None:
        """None where there is no such table. Takes 10 µs an element: for starting up and after errors only."""
        ...

    def flows(self) -> list[Flow]:
        """The UDP flows that the kernel tracks."""
        ...

    def forget(self, flows: Iterable[Flow]) -> int:
        """Has them looked at anew; returns how many there still were."""
        ...


def changes(current: Elements, desired: Elements) -> Iterator[Change]:
    """The exact differences, in sorted order."""
    for container in sorted({*current, *desired}):
        have, want = current.get(container, {}), desired.get(container, {})
        for key in sorted({*have, *want}):
            old, new = have.get(key), want.get(key)
            if old != new:
                yield Change(container, key, old, new)


def parse_table(text: str) -> Snapshot:
    """Reads `list table`, as printed with numeric protocols."""
    version = ""
    chains: set[str] = set()
    elements: dict[str, dict[str, str]] = {}
    container, dynamic = "", False
    lines = iter(text.splitlines())
    for line in lines:
        words = line.split(None, 2)
        if not words:
            continue
        if words[0] == "comment" and not version:
            version = line.strip().removeprefix("comment ").strip('"')
        elif words[0] == "chain":
            chains.add(words[1])
            _skip_block(lines)
        elif words[0] in ("map", "set"):
            container, dynamic = words[1], False
        elif words[0] == "flags":
            dynamic = "dynamic" in line
        elif words[0] == "elements":
            found = _parse_elements(line, lines)
            if not dynamic:
                elements[container] = found
    return Snapshot(version, frozenset(chains), elements)


def _skip_block(lines: Iterator[str]) -> None:
    for line in lines:
        if line == "\t}":
            return


_PROTOCOLS = {"6": "tcp", "17": "udp", "132": "sctp"}


def _parse_elements(first: str, rest: Iterable[str]) -> dict[str, str]:
    text = first.partition("{")[2]
    parts = [text]
    if "}" not in text:
        for line in rest:
            parts.append(line)
            if line.endswith("}"):
                break
    found: dict[str, str] = {}
    for element in "".join(parts).rstrip(" }").split(","):
        key, _, value = element.strip().partition(" : ")
        protocol, dot, tail = key.partition(" . ")
        if protocol in _PROTOCOLS:
            key = _PROTOCOLS[protocol] + dot + tail
        found[key] = value
    return found
