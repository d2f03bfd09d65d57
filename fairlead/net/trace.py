"""The first packet of a connection on its way through a node's hooks, whatever language the rules are written in.

A tracer (`net/nft/trace.py`, `net/iptables/trace.py`) knows what one hook's rules do; which hooks a packet meets, in
which order, and what is told of it in the end, is the same for both and stands here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal

Fate = Literal["sent", "reset", "unreachable", "dropped"]


@dataclass(frozen=True)
class Packet:
    """`link` is where it came in; empty where it was sent on the node itself."""

    source: str
    target: str
    port: int
    protocol: str = "tcp"
    link: str = ""
    state: str = "new"
    """As connection tracking calls it: `new`, `established`, `related` or `invalid`."""


@dataclass(frozen=True)
class Matched:
    """A rule that the packet met and that did something to it."""

    chain: str
    rule: str


@dataclass(frozen=True)
class Trace:
    fate: Fate
    target: str
    """Where it went in the end, `address:port`."""
    masqueraded: bool
    chains: tuple[str, ...]
    """Those entered, without the hooks' own."""
    rules: tuple[Matched, ...] = ()

    def __str__(self) -> str:
        return f"{self.fate} {self.target}{', masqueraded' if self.masqueraded else ''}"


@dataclass
class State:
    packet: Packet
    mark: int = 0
    connection_mark: int = 0
    dnat: bool = False
    masqueraded: bool = False
    refused: Fate = "sent"
    chains: list[str] = field(default_factory=list)
    rules: list[Matched] = field(default_factory=list)


class Way(ABC):
    """`local` are the node's own addresses."""

    def __init__(self, *, local: Iterable[str]) -> None:
        self._local = frozenset(local)

    @abstractmethod
    def run_hook(self, hook: str, state: State) -> None:
        """What the rules at this hook do to the packet."""

    def trace(self, packet: Packet) -> Trace:
        state = State(packet)
        self.run_hook("prerouting" if packet.link else "output", state)
        inward = self.is_local(state.packet.target)
        if packet.link:
            hooks = ("input",) if inward else ("forward", "postrouting")
        else:
            hooks = ("postrouting", "input") if inward else ("postrouting",)
        for hook in hooks:
            self.run_hook(hook, state)
        target = f"[{state.packet.target}]" if ":" in state.packet.target else state.packet.target
        where = f"{target}:{state.packet.port}"
        return Trace(state.refused, where, state.masqueraded, tuple(state.chains), tuple(state.rules))

    def is_local(self, address: str) -> bool:
        return address in self._local or ip_address(address).is_loopback
