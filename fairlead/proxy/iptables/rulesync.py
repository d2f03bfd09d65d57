"""Keeps the kernel's present rules and the desired ones, and computes the edits between the two. Pure.

What must stay true: the cost of `proposal` depends on the Services planned since the last one, not on all Services.
Its edits may be split into several transactions at any point: a chain exists before a line leads to it, a new line
comes before the replaced line goes, and a chain is deleted after the last line that leads to it. `resync` gives the
same guarantees from any state of the kernel.

The long chains that all Services share are never rewritten. A new Service puts its lines at the beginning, and a
removed Service takes out its own. In a chain of 10,000 lines that takes 46 and 104 ms. A rewrite of the whole chain
would be 30 transactions, and legacy's kernel takes the whole table in any case. So the line that must be last stays
last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from fairlead.net.iptables.model import TABLES, Block, Chain, Edit, Saved, change, make, target
from fairlead.proxy.iptables.plan import NOTHING, ServicePlan
from fairlead.proxy.iptables.rules import SHARED, Place, fixed_chains, is_ours, jumps, tails
from fairlead.proxy.planning.backend import Address, UdpFrontend
from fairlead.proxy.planning.proxierconfig import ProxierConfig

_EMPTY = Saved()


class Proposal(NamedTuple):
    """Edits by table, in the order in which they are to be done."""

    blocks: tuple[tuple[str, list[Block]], ...]
    frontends: frozenset[UdpFrontend] = frozenset()
    """Frontends whose endpoints changed."""
    unused: tuple[tuple[str, list[str]], ...] = ()
    """Unused chains by table, to be deleted after all else. Foreign rules may still lead to them."""


class RuleSync:
    def __init__(self, proxier: ProxierConfig) -> None:
        self._fixed = fixed_chains(proxier)
        self._tails = tails(proxier)
        self._jumps = jumps()
        self._plans: dict[str, ServicePlan] = {}
        self._before: dict[str, ServicePlan] = {}
        """The plans in the kernel of the Services that were planned since the last sync."""
        self._udp: dict[UdpFrontend, str] = {}
        self._contended: set[UdpFrontend] = set()
        """Frontends that several Services had at once, for example while one takes over another's address."""
        self._rules = {"filter": 0, "nat": 0}
        for (table, _), chain in self._fixed.items():
            self._rules[table] = self._rules.get(table, 0) + len(chain)
        for (table, _), lines in (*self._jumps.items(), *self._tails.items()):
            self._rules[table] += len(lines)

    @property
    def plans(self) -> Mapping[str, ServicePlan]:
        return self._plans

    @property
    def rules(self) -> Mapping[str, int]:
        """Returns the number of desired rules, by table."""
        return self._rules

    def endpoints_of(self, frontend: UdpFrontend) -> frozenset[Address] | None:
        service = self._udp.get(frontend)
        return self._plans[service].udp[frontend] if service is not None else None

    def update(self, plans: Mapping[str, ServicePlan]) -> None:
        for service, plan in plans.items():
            old = self._plans.pop(service, NOTHING)
            self._before.setdefault(service, old)
            for frontend in old.udp:
                if self._udp.get(frontend) == service:
                    del self._udp[frontend]
            self._count(old, -1)
            self._count(plan, 1)
            if plan.chains or plan.lines:
                self._plans[service] = plan
        for service, plan in plans.items():
            self._contended.update(frontend for frontend in plan.udp if frontend in self._udp)
            self._udp.update(dict.fromkeys(plan.udp, service))
        for frontend in self._contended - self._udp.keys():
            heirs = [service for service, plan in self._plans.items() if frontend in plan.udp]
            self._udp.update(dict.fromkeys([frontend], heirs[0]) if heirs else {})
            self._contended.discard(frontend)

    def _count(self, plan: ServicePlan, sign: int) -> None:
        self._rules["nat"] += sign * sum(map(len, plan.chains.values()))
        for (table, _), lines in plan.lines.items():
            self._rules[table] += sign * len(lines)

    def proposal(self) -> Proposal:
        """Returns the edits for all plans made since the kernel was last in sync."""
        pairs = [(old, self._plans.get(key, NOTHING)) for key, old in sorted(self._before.items())]
        nat = [block for old, new in pairs for block in _chains(old, new)]
        gone = [name for old, new in pairs for name in reversed([*old.chains]) if name not in new.chains]
        blocks = {"nat": nat, "filter": list[Block]()}
        for old, new in pairs:
            for place in sorted({*old.lines, *new.lines}):
                blocks[place[0]] += _lines(place[1], old.lines.get(place, ()), new.lines.get(place, ()))
        nat += [(Edit("make", name), Edit("remove", name)) for name in gone]
        frontends = (
            frontend
            for old, new in pairs
            for frontend in {*old.udp, *new.udp}
            if old.udp.get(frontend) != new.udp.get(frontend)
        )
        return Proposal(tuple(blocks.items()), frozenset(frontends))

    def done(self) -> None:
        """Records that the kernel is in sync."""
        self._before.clear()

    def resync(self, current: Mapping[str, Saved]) -> Proposal:
        """Returns the edits from any state of the kernel to the desired rules."""
        desired: dict[Place, Chain] = dict(self._fixed)
        lines: dict[Place, list[str]] = {place: [] for place in SHARED}
        for key in sorted(self._plans):
            plan = self._plans[key]
            desired.update((("nat", name), chain) for name, chain in plan.chains.items())
            for place, own in plan.lines.items():
                lines[place] += own
        blocks: dict[str, list[Block]] = {"mangle": [], "nat": [], "filter": []}
        held = {table: current.get(table, _EMPTY).chains for table in TABLES}
        for (table, name), chain in desired.items():
            blocks[table] += _exactly(held[table].get(name), chain)
        for table, name in SHARED:
            tail = self._tails.get((table, name), ())
            blocks[table] += _at_least(name, held[table].get(name), lines[table, name], tail)
        for (table, name), own in self._jumps.items():
            blocks[table] += _jumps(name, held[table].get(name, ()), own)
        known = {*desired, *lines}
        unused = {t: [name for name in held[t] if is_ours(name) and (t, name) not in known] for t in TABLES}
        changed = {f for plan in self._before.values() for f in plan.udp} | {*self._udp}
        return Proposal(tuple(blocks.items()), frozenset(changed), tuple(unused.items()))


def removal(current: Mapping[str, Saved]) -> Proposal:
    """Returns the edits that remove all rules of this backend."""
    blocks: dict[str, list[Block]] = {}
    unused: dict[str, list[str]] = {}
    for table, saved in current.items():
        unused[table] = [name for name in saved.chains if is_ours(name)]
        gone: list[Block] = [
            (Edit("delete", name, rule),)
            for name, rules in saved.chains.items()
            if not is_ours(name)
            for rule in rules
            if is_ours(target(rule))
        ]
        blocks[table] = gone + [(Edit("make", name),) for name in unused[table]]
    return Proposal(tuple(blocks.items()), unused=tuple(unused.items()))


def _chains(old: ServicePlan, new: ServicePlan) -> Iterator[Block]:
    for name, chain in new.chains.items():
        held = old.chains.get(name)
        yield from make(chain) if held is None else change(held, chain)


def _lines(chain: str, old: Sequence[str], new: Sequence[str]) -> Iterator[Block]:
    for line in reversed(new):
        if line not in old:
            yield (Edit("insert", chain, line),)
    for line in old:
        if line not in new:
            yield (Edit("delete", chain, line),)


def _exactly(held: Sequence[str] | None, chain: Chain) -> list[Block]:
    if held is None:
        return make(chain)
    if tuple(held) == chain.rules:
        return []
    return change(Chain(chain.name, (tuple(held),)), Chain(chain.name, (chain.rules,)))


def _at_least(name: str, held: Sequence[str] | None, lines: Sequence[str], tail: Sequence[str]) -> list[Block]:
    """Returns the edits to exactly these lines in any order, followed by `tail`."""
    if not held:
        start: list[Block] = [] if held is not None else [(Edit("make", name),)]
        return start + [(Edit("append", name, line),) for line in (*lines, *tail)]
    desired, seen = set(lines), set(held)
    blocks: list[Block] = [(Edit("insert", name, line),) for line in reversed(lines) if line not in seen]
    last = [*held[len(held) - len(tail) :]] if tail else []
    body = held[: len(held) - len(tail)] if last == [*tail] else held
    if last != [*tail]:
        blocks.append(
            (
                *(Edit("delete", name, line) for line in held if line in tail),
                *(Edit("append", name, line) for line in tail),
            )
        )
        body = [line for line in body if line not in tail]
    once: set[str] = set()
    for line in body:
        if line not in desired or line in once:
            blocks.append((Edit("delete", name, line),))
        once.add(line)
    return blocks


def _jumps(name: str, held: Sequence[str], own: Sequence[str]) -> list[Block]:
    """Returns the edits that put our lines at the beginning of a built-in chain.

    Our lines stay in place if all are present in order, at whatever position."""
    there = [rule for rule in held if is_ours(target(rule))]
    if there == [*own]:
        return []
    return [
        (
            *(Edit("delete", name, rule) for rule in there),
            *(Edit("insert", name, rule, at) for at, rule in enumerate(own, 1)),
        )
    ]
