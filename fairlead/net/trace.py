"""The first packet of a connection on its way through a node's hooks, for rules of any syntax.

A tracer (`net/nft/trace.py`, `net/iptables/trace.py`) knows the effect of one hook's rules. This module holds the
common part: the hooks that a packet meets, their order, and the form of the result.
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
    """The packet. `link` is the link it came in by; empty if the node itself sent it."""

    source: str
    target: str
    port: int
    protocol: str = "tcp"
    link: str = ""
    state: str = "new"
    """The state in connection tracking: `new`, `established`, `related` or `invalid`."""


@dataclass(frozen=True)
class Matched:
    """A rule that matched the packet and changed it."""

    chain: str
    rule: str


@dataclass(frozen=True)
class Trace:
    fate: Fate
    target: str
    """The final destination, `address:port`."""
    masqueraded: bool
    chains: tuple[str, ...]
    """The chains entered, without the base chains."""
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


class PacketTracer(ABC):
    """The base class of tracers. `local` are the node's own addresses."""

    def __init__(self, *, local: Iterable[str]) -> None:
        self._local = frozenset(local)

    @abstractmethod
    def run_hook(self, hook: str, state: State) -> None:
        """Applies the rules at this hook to the packet."""

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
