"""Follows the first packet of a connection through the rules of a table, of the fake or read from the kernel.

Knows the statements of Fairlead's own tables and no others: an unknown one raises an error and is never skipped. Real
packets in real namespaces have the last word; the tracer shows which rules a packet takes, without a kernel.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Literal, Protocol

from fairlead.net.nft.model import Chain
from fairlead.net.trace import Dice, Lookup, Packet, PacketTracer, State, UnknownRule

Step = Literal["next", "no match", "done"]

_FIELD = r"(?:meta l4proto|meta mark|ip6? daddr|ip6? saddr|th dport)"
_KEY = rf"({_FIELD}(?: \. {_FIELD})*)"
_PRIORITY = {"dstnat": -100, "filter": 0, "srcnat": 100}


class TableRules(Protocol):
    """A table with all its rules and elements."""

    @property
    def chains(self) -> Mapping[str, Chain]: ...

    @property
    def elements(self) -> Mapping[str, dict[str, str]]: ...


class Tracer(PacketTracer):
    """The tracer. `local` are the node's own addresses. Affinity entries that the rules make stay in the table."""

    def __init__(self, table: TableRules, *, local: Iterable[str], dice: Dice, tolerant: bool = False) -> None:
        self._table = table
        super().__init__(local=local, tolerant=tolerant)
        self.dice = dice

    def run_hook(self, hook: str, state: State) -> None:
        chains = [c for c in self._table.chains.values() if f" hook {hook} " in c.hook]
        for chain in sorted(chains, key=_priority):
            if state.refused == "sent":
                state.table = chain.hook.split()[1]
                self._run_chain(chain, state)

    def _run_chain(self, chain: Chain, state: State) -> bool:
        """Runs the chain; returns True if it gave a final verdict at this hook."""
        for position, rule in enumerate(chain.rules, 1):
            try:
                outcome = self._run_rule(rule, state)
            except UnknownRule:
                self.skip(chain.name, rule, position, state)
                continue
            if isinstance(outcome, tuple):
                state.effects.append(" ".join(outcome))
            state.record(chain.name, rule, position, matched=outcome != "no match")
            if isinstance(outcome, tuple):
                verb, target = outcome
                state.chains.append(target)
                if self._run_chain(self._table.chains[target], state):
                    return True
                if verb == "goto":
                    return False
            elif outcome == "done":
                return True
        return False

    def _run_rule(self, rule: str, state: State) -> Outcome:
        rest = rule
        while rest:
            match, act = _statement(rest)
            outcome = act(self, match, state)
            if outcome != "next":
                return outcome
            rest = rest[match.end() :].lstrip()
        return "next"

    def key(self, expression: str, state: State) -> str:
        packet = state.packet
        values = {
            "meta l4proto": packet.protocol,
            "meta mark": f"0x{state.mark:08x}",
            "th dport": str(packet.port),
        }
        values |= {f"{ip} {end}": at for ip in ("ip", "ip6") for end, at in _ends(packet)}
        return " . ".join(values[part] for part in expression.split(" . "))

    def elements(self, set_name: str) -> dict[str, str]:
        return self._table.elements[set_name]

    def look_up(self, set_name: str, expression: str, state: State) -> str | None:
        """Returns the element's value, and records the look-up."""
        key = self.key(expression, state)
        value = self.elements(set_name).get(key)
        state.lookups.append(Lookup(set_name, key, value))
        return value


def _ends(packet: Packet) -> Iterable[tuple[str, str]]:
    return ("saddr", packet.source), ("daddr", packet.target)


def _statement(text: str) -> tuple[re.Match[str], Act]:
    for pattern, act in _STATEMENTS:
        match = pattern.match(text)
        if match:
            return match, act
    raise UnknownRule(text)


def _priority(chain: Chain) -> int:
    word = chain.hook.split()[-1]
    return _PRIORITY[word] if word in _PRIORITY else int(word)


Outcome = Step | tuple[str, str]
Act = Callable[[Tracer, re.Match[str], State], Outcome]


def _matches(good: bool) -> Outcome:
    return "next" if good else "no match"


def _mark_connection(_: Tracer, match: re.Match[str], state: State) -> Outcome:
    state.connection_mark |= int(match[1], 16)
    state.effects.append("marked for masquerading")
    return "next"


def _draw(tracer: Tracer, match: re.Match[str], state: State) -> Outcome:
    drawn = tracer.dice.draw(int(match[1]))
    state.mark = drawn + int(match[2] or 0)
    state.effects.append(f"drew {drawn + 1} of {match[1]}")
    return "next"


def _mark_from_map(tracer: Tracer, match: re.Match[str], state: State) -> Outcome:
    value = tracer.look_up(match[2], match[1], state)
    if value is None:
        return "no match"
    state.mark = int(value, 16)
    return "next"


def _update(tracer: Tracer, match: re.Match[str], state: State) -> Outcome:
    tracer.elements(match[1]).setdefault(tracer.key(match[2], state), f"0x{state.mark:08x}")
    state.effects.append("remembered the client")
    return "next"


def _forget(tracer: Tracer, match: re.Match[str], state: State) -> Outcome:
    tracer.elements(match[1]).pop(tracer.key(match[2], state), None)
    return "next"


def _translate(tracer: Tracer, match: re.Match[str], state: State) -> Outcome:
    value = tracer.look_up(match[2], match[1], state)
    if value is None:
        return "no match"
    ip, _, port = value.rpartition(" . ")
    state.packet = replace(state.packet, target=ip, port=int(port))
    state.dnat = True
    state.effects.append(f"dnat to {ip} port {port}")
    return "done"


def _masquerade(_: Tracer, __: re.Match[str], state: State) -> Outcome:
    state.masqueraded = True
    state.effects.append("masquerade")
    return "done"


def _reject(_: Tracer, match: re.Match[str], state: State) -> Outcome:
    state.refused = "reset" if match[1] == "tcp reset" else "unreachable"
    state.effects.append(f"reject with {match[1]}")
    return "done"


def _drop(_: Tracer, __: re.Match[str], state: State) -> Outcome:
    state.refused = "dropped"
    state.effects.append("drop")
    return "done"


def _accept(_: Tracer, __: re.Match[str], state: State) -> Outcome:
    state.effects.append("accept")
    return "done"


def _verdict(tracer: Tracer, match: re.Match[str], state: State) -> Outcome:
    value = tracer.look_up(match[2], match[1], state)
    if value is None:
        return "no match"
    verb, target = value.split()
    return verb, target


def _in_set(tracer: Tracer, match: re.Match[str], state: State) -> Outcome:
    key, elements = tracer.key(match[1], state), tracer.elements(match[3])
    covering = (element for element in elements if "/" in element and _covers(element, key))
    element = key if key in elements else next(covering, None)
    there = element is not None
    state.lookups.append(Lookup(match[3], element or key, "" if there else None))
    return _matches(there != bool(match[2]))


def _covers(element: str, key: str) -> bool:
    """Returns True if an element whose last part is a range contains the key."""
    head, _, block = element.rpartition(" . ")
    start, _, address = key.rpartition(" . ")
    return head == start and ip_address(address) in ip_network(block)


def _in_ranges(_: Tracer, match: re.Match[str], state: State) -> Outcome:
    address = ip_address(state.packet.target if match[1] == "daddr" else state.packet.source)
    return _matches(any(address in ip_network(text) for text in match[3].split(", ")) != bool(match[2]))


def _from_link(_: Tracer, match: re.Match[str], state: State) -> Outcome:
    link = state.packet.link
    there = link.startswith(match[2]) if match[3] else link == match[2]
    return _matches(there != bool(match[1]))


def _in_range(_: Tracer, match: re.Match[str], state: State) -> Outcome:
    address = state.packet.target if match[1] == "daddr" else state.packet.source
    return _matches((ip_address(address) in ip_network(match[3])) != bool(match[2]))


def _is_own(tracer: Tracer, match: re.Match[str], state: State) -> Outcome:
    address = state.packet.target if match[1] == "daddr" else state.packet.source
    return _matches(tracer.is_local(address) != bool(match[2]))


_STATEMENTS: tuple[tuple[re.Pattern[str], Act], ...] = tuple(
    (re.compile(pattern), act)
    for pattern, act in (
        (r'iifname (!= )?"(\w+)(\*)?"', _from_link),
        (r"ct state ([a-z,]+)", lambda _, found, state: _matches(state.packet.state in found[1].split(","))),
        (r"ct mark set ct mark \| (0x\w+)", _mark_connection),
        (
            r"ct mark & (0x\w+) == (0x\w+)",
            lambda _, found, state: _matches(state.connection_mark & int(found[1], 16) == int(found[2], 16)),
        ),
        (r"ct status dnat", lambda _, __, state: _matches(state.dnat)),
        (r"counter name \w+", lambda _, __, ___: "next"),
        (r"fib (daddr|saddr) type (!= )?local", _is_own),
        (r"meta mark set numgen random mod (\d+)(?: offset (\d+))?", _draw),
        (
            r"meta mark & (0x\w+) == (0x\w+)",
            lambda _, found, state: _matches(state.mark & int(found[1], 16) == int(found[2], 16)),
        ),
        (rf"meta mark set {_KEY} map @(\w+)", _mark_from_map),
        (rf"update @(\w+) \{{ {_KEY} timeout \w+ : meta mark \}}", _update),
        (rf"delete @(\w+) \{{ {_KEY} : 0x0 \}}", _forget),
        (rf"dnat ip6? to {_KEY} map @(\w+)", _translate),
        (r"masquerade", _masquerade),
        (r"reject with (tcp reset|icmp(?:v6)? port-unreachable)", _reject),
        (r"drop", _drop),
        (r"accept", _accept),
        (r"(goto|jump) (\w+)", lambda _, found, __: (found[1], found[2])),
        (rf"{_KEY} vmap @(\w+)", _verdict),
        (rf"{_KEY} (!= )?@(\w+)", _in_set),
        (
            r"meta l4proto \{ ([^}]*) \}",
            lambda _, found, state: _matches(state.packet.protocol in found[1].split(", ")),
        ),
        (
            r"meta l4proto (tcp|udp|sctp|icmp|ipv6-icmp)(?= |$)",
            lambda _, found, state: _matches(state.packet.protocol == found[1]),
        ),
        (r"ip6? (daddr|saddr) (!= )?\{ ([^}]+) \}", _in_ranges),
        (r"ip6? (daddr|saddr) (!= )?([\da-f:][\da-f.:/]+)", _in_range),
    )
)
