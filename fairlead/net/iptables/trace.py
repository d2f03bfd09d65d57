"""Follows the first packet of a connection through the rules of iptables, of the fake or read from the kernel.

Knows the matches and targets of Fairlead's own rules and no others: an unknown one raises an error and is never
skipped. Results have the same form as those of the tracer of nftables (`net/nft/trace.py`).
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Literal, Protocol

from fairlead.net.trace import Dice, Fate, PacketTracer, State, UnknownRule

_HOOKS = {
    "prerouting": ("mangle", "nat"),
    "input": ("mangle", "filter", "nat"),
    "forward": ("mangle", "filter"),
    "output": ("mangle", "nat", "filter"),
    "postrouting": ("mangle", "nat"),
}
"""The tables that a packet passes at each hook, in order."""

Verdict = Literal["next", "return", "done"]


@dataclass(frozen=True)
class Option:
    """An option such as `! -s 10.244.0.0/16`: its name, its argument, and whether it is inverted."""

    name: str
    value: str = ""
    negated: bool = False


class Tables(Protocol):
    """The rules of one family."""

    def table(self, name: str) -> Mapping[str, Sequence[str]]:
        """Returns the rules of each chain of a table."""
        ...


class Tracer(PacketTracer):
    """The tracer. `local` are the node's own addresses. `recent` holds clients by list, as the module of that name
    does."""

    def __init__(
        self,
        tables: Tables,
        *,
        local: Iterable[str],
        dice: Dice,
        recent: dict[str, set[str]] | None = None,
        tolerant: bool = False,
    ) -> None:
        self._tables = tables
        super().__init__(local=local, tolerant=tolerant)
        self.dice = dice
        self.recent: dict[str, set[str]] = {} if recent is None else recent

    def run_hook(self, hook: str, state: State) -> None:
        for table in _HOOKS[hook]:
            chains = self._tables.table(table)
            if state.refused == "sent" and hook.upper() in chains:
                state.table = table
                self._run_chain(chains, hook.upper(), state)

    def _run_chain(self, chains: Mapping[str, Sequence[str]], name: str, state: State) -> Verdict:
        for position, rule in enumerate(chains[name], 1):
            try:
                conditions, target, options = parse_rule(rule)
                if target not in chains and target not in _TARGETS:
                    raise UnknownRule(rule)
                holds = all(_holds(self, option, state) for option in conditions)
            except UnknownRule:
                self.skip(name, rule, position, state)
                continue
            if not holds:
                state.effects.clear()
                continue
            verdict: Verdict
            if target in chains:
                state.effects.append(f"jump {target}")
                state.record(name, rule, position, matched=True)
                state.chains.append(target)
                verdict = self._run_chain(chains, target, state)
                if verdict == "return":
                    continue
            else:
                verdict = _TARGETS[target](options, state)
                state.record(name, rule, position, matched=True)
            if verdict != "next":
                return verdict
        return "next"


@lru_cache(maxsize=4096)
def parse_rule(rule: str) -> tuple[tuple[Option, ...], str, dict[str, str]]:
    """Returns a rule's conditions, its target, and the target's options."""
    conditions: list[Option] = []
    target = ""
    options: dict[str, str] = {}
    for option in _options(iter(shlex.split(rule))):
        if option.name == "-j":
            target = option.value
        elif target:
            options[option.name] = option.value
        else:
            conditions.append(option)
    lists = [option.value for option in conditions if option.name == "--name"]
    if lists:
        # The options of `recent` refer to the list that one of them names.
        conditions = [replace(o, value=lists[0]) if o.name in ("--rcheck", "--set") else o for o in conditions]
    return tuple(conditions), target, options


_FLAGS = frozenset({"--rcheck", "--set", "--reap", "--rsource", "--random-fully"})


def _options(words: Iterator[str]) -> Iterator[Option]:
    negated = False
    for word in words:
        if word == "!":
            negated = True
            continue
        yield Option(word, "" if word in _FLAGS else next(words, ""), negated)
        negated = False


def _holds(tracer: Tracer, option: Option, state: State) -> bool:
    condition = _CONDITIONS.get(option.name)
    if condition is None:
        raise UnknownRule(option.name)
    return condition(tracer, option.value, state) != option.negated


@lru_cache(maxsize=4096)
def _in_block(address: str, block: str) -> bool:
    return ip_address(address) in ip_network(block)


def _is_local(tracer: Tracer, address: str, kind: str) -> bool:
    if kind != "LOCAL":
        raise UnknownRule(f"addresses of type {kind}")
    return tracer.is_local(address)


def _is_in_state(_: Tracer, names: str, state: State) -> bool:
    states = {state.packet.state.upper(), *(("DNAT",) if state.dnat else ())}
    return not states.isdisjoint(names.split(","))


def _is_marked(_: Tracer, value: str, state: State) -> bool:
    number, mask = (int(part, 16) for part in value.split("/"))
    return state.mark & mask == number


def _is_recent(tracer: Tracer, name: str, state: State) -> bool:
    if state.packet.source not in tracer.recent.get(name, ()):
        return False
    state.effects.append("the client is remembered")
    return True


def _remember(tracer: Tracer, name: str, state: State) -> bool:
    tracer.recent.setdefault(name, set()).add(state.packet.source)
    state.effects.append("remembered the client")
    return True


def _draw(tracer: Tracer, value: str, state: State) -> bool:
    if not tracer.dice.chance(float(value)):
        return False
    state.effects.append(f"drawn with the probability {value}")
    return True


def _nothing(*_: object) -> bool:
    return True


_CONDITIONS: dict[str, Callable[[Tracer, str, State], bool]] = {
    "-s": lambda _, value, state: _in_block(state.packet.source, value),
    "-d": lambda _, value, state: _in_block(state.packet.target, value),
    "-p": lambda _, value, state: state.packet.protocol == value,
    "--dport": lambda _, value, state: str(state.packet.port) == value,
    "--ctstate": _is_in_state,
    "--mark": _is_marked,
    "--dst-type": lambda tracer, value, state: _is_local(tracer, state.packet.target, value),
    "--src-type": lambda tracer, value, state: _is_local(tracer, state.packet.source, value),
    "--probability": _draw,
    "--rcheck": _is_recent,
    "--set": _remember,
    **dict.fromkeys(("-m", "--comment", "--mode", "--seconds", "--reap", "--name", "--mask", "--rsource"), _nothing),
}


def _change_mark(options: Mapping[str, str], state: State) -> Verdict:
    value, mask = (int(part, 16) for part in options["--set-xmark"].split("/"))
    state.mark = state.mark & ~mask ^ value
    state.effects.append("marked for masquerading" if mask else "mark removed")
    return "next"


def _translate(options: Mapping[str, str], state: State) -> Verdict:
    ip, _, port = options["--to-destination"].rpartition(":")
    state.packet = replace(state.packet, target=ip.strip("[]"), port=int(port))
    state.dnat = True
    state.effects.append(f"dnat to {state.packet.target} port {state.packet.port}")
    return "done"


def _masquerade(_: Mapping[str, str], state: State) -> Verdict:
    state.masqueraded = True
    state.effects.append("masquerade")
    return "done"


def _refuse(fate: Fate) -> Callable[[Mapping[str, str], State], Verdict]:
    def refuse(_: Mapping[str, str], state: State) -> Verdict:
        state.refused = fate
        state.effects.append("drop" if fate == "dropped" else "reject")
        return "done"

    return refuse


def _end(verdict: Verdict, text: str) -> Callable[[Mapping[str, str], State], Verdict]:
    def end(_: Mapping[str, str], state: State) -> Verdict:
        state.effects.append(text)
        return verdict

    return end


def _reject(options: Mapping[str, str], state: State) -> Verdict:
    state.refused = "reset" if options["--reject-with"] == "tcp-reset" else "unreachable"
    state.effects.append(f"reject with {options['--reject-with']}")
    return "done"


_TARGETS: dict[str, Callable[[Mapping[str, str], State], Verdict]] = {
    "": lambda _, __: "next",
    "ACCEPT": _end("done", "accept"),
    "RETURN": _end("return", "return"),
    "DROP": _refuse("dropped"),
    "REJECT": _reject,
    "MARK": _change_mark,
    "DNAT": _translate,
    "MASQUERADE": _masquerade,
}
