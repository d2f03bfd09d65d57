"""The first packet of a connection on its way through a node's hooks, for rules of any syntax.

A tracer (`net/nft/trace.py`, `net/iptables/trace.py`) knows the effect of one hook's rules. This module holds the
common part: the hooks that a packet meets, their order, and the form of the result.

Rules draw endpoints at random. A tracer draws with `Dice`: `RandomDice` draws as the kernel does, and `explore` makes
every possible draw once and knows its probability.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Generic, Literal, NamedTuple, Protocol, TypeVar

T = TypeVar("T")

UNKNOWN = "not a rule of the proxy: taken as one that does not match"

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


class Lookup(NamedTuple):
    """A look-up in a map or set."""

    set_name: str
    key: str
    value: str | None
    """None: the key is absent. Empty: the key is in a set."""


@dataclass(frozen=True)
class Step:
    """A rule that the packet met: it matched, or it looked something up in vain."""

    chain: str
    rule: str
    hook: str = ""
    table: str = ""
    """The type of the hook, which is the name of the table in iptables: `nat`, `filter` or `mangle`."""
    position: int = 0
    """The number of the rule in its chain, from 1."""
    matched: bool = True
    lookups: tuple[Lookup, ...] = ()
    effects: tuple[str, ...] = ()
    """The changes and verdicts, in order, such as `drew 1 of 3` or `dnat to 10.244.1.3:8080`."""


@dataclass(frozen=True)
class Trace:
    fate: Fate
    target: str
    """The final destination, `address:port`."""
    masqueraded: bool
    chains: tuple[str, ...]
    """The chains entered, without the base chains."""
    steps: tuple[Step, ...] = ()
    packet: Packet | None = None
    """The packet with its final destination."""

    @property
    def rules(self) -> tuple[Step, ...]:
        """Returns the rules that matched."""
        return tuple(step for step in self.steps if step.matched)

    def __str__(self) -> str:
        return f"{self.fate} {self.target}{', masqueraded' if self.masqueraded else ''}"


@dataclass
class State:
    packet: Packet
    hook: str = ""
    table: str = ""
    mark: int = 0
    connection_mark: int = 0
    dnat: bool = False
    masqueraded: bool = False
    refused: Fate = "sent"
    chains: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    lookups: list[Lookup] = field(default_factory=list)
    """Look-ups of the rule that is being run."""
    effects: list[str] = field(default_factory=list)
    """Effects of the rule that is being run."""

    def record(self, chain: str, rule: str, position: int, *, matched: bool) -> None:
        """Adds a step for the rule that was run, unless the rule neither matched nor looked anything up."""
        if matched or self.lookups or self.effects:
            looked, done = tuple(self.lookups), tuple(self.effects)
            self.steps.append(Step(chain, rule, self.hook, self.table, position, matched, looked, done))
        self.lookups.clear()
        self.effects.clear()


class Dice(Protocol):
    def draw(self, count: int) -> int:
        """Returns a number below `count`, each with the same probability."""
        ...

    def chance(self, probability: float) -> bool:
        """Returns True with the given probability."""
        ...


class Random(Protocol):
    """The part of `random.Random` that the dice need; the module itself would make its importers impure."""

    def randrange(self, stop: int, /) -> int: ...

    def random(self) -> float: ...


class RandomDice:
    def __init__(self, rng: Random) -> None:
        self._rng = rng

    def draw(self, count: int) -> int:
        return self._rng.randrange(count)

    def chance(self, probability: float) -> bool:
        return self._rng.random() < probability


class _ScriptedDice:
    """Makes the draws of a script and, after its end, always the first possible one."""

    def __init__(self, script: list[int]) -> None:
        self._script = script
        self.made: list[tuple[int, tuple[float, ...]]] = []
        """The draws so far, and the probability of each possible result."""

    def draw(self, count: int) -> int:
        return self._next((1 / count,) * count)

    def chance(self, probability: float) -> bool:
        # A result without probability is never drawn, so that no trace has the probability 0.
        results = [(True, probability), (False, 1 - probability)]
        possible = [result for result in results if result[1] > 0]
        return possible[self._next(tuple(share for _, share in possible))][0]

    def _next(self, shares: tuple[float, ...]) -> int:
        at = len(self.made)
        chosen = self._script[at] if at < len(self._script) else 0
        self.made.append((chosen, shares))
        return chosen

    @property
    def probability(self) -> float:
        product = 1.0
        for chosen, shares in self.made:
            product *= shares[chosen]
        return product

    def next_script(self) -> list[int] | None:
        """Returns the script of the next run; None if every draw has been made."""
        script = [chosen for chosen, _ in self.made]
        while script:
            last = script.pop()
            if last + 1 < len(self.made[len(script)][1]):
                return [*script, last + 1]
        return None


class Branch(NamedTuple, Generic[T]):
    """The result of one sequence of draws."""

    probability: float
    result: T


def explore(run: Callable[[Dice], T], *, limit: int = 10_000) -> Iterator[Branch[T]]:
    """Yields the result of every possible sequence of draws, at most `limit`. `run` must depend on the dice alone."""
    script: list[int] | None = []
    while script is not None and limit:
        dice = _ScriptedDice(script)
        result = run(dice)
        yield Branch(dice.probability, result)
        script, limit = dice.next_script(), limit - 1


class UnknownRule(ValueError):
    """A match or target that the tracer does not know: the rule is not the proxy's."""


class PacketTracer(ABC):
    """The base class of tracers. `local` are the node's own addresses. `tolerant`: a rule that the tracer does not
    know is taken as one that does not match, and recorded; otherwise it raises UnknownRule."""

    def __init__(self, *, local: Iterable[str], tolerant: bool = False) -> None:
        self._local = frozenset(local)
        self._tolerant = tolerant

    def skip(self, chain: str, rule: str, position: int, state: State) -> None:
        """Records a rule that the tracer does not know."""
        if not self._tolerant:
            raise UnknownRule(f"cannot trace {rule!r}")
        state.effects[:] = [UNKNOWN]
        state.record(chain, rule, position, matched=False)

    @abstractmethod
    def run_hook(self, hook: str, state: State) -> None:
        """Applies the rules at this hook to the packet."""

    def trace(self, packet: Packet) -> Trace:
        state = State(packet)
        self._at("prerouting" if packet.link else "output", state)
        inward = self.is_local(state.packet.target)
        if packet.link:
            hooks = ("input",) if inward else ("forward", "postrouting")
        else:
            hooks = ("postrouting", "input") if inward else ("postrouting",)
        for hook in hooks:
            self._at(hook, state)
        target = f"[{state.packet.target}]" if ":" in state.packet.target else state.packet.target
        where = f"{target}:{state.packet.port}"
        return Trace(state.refused, where, state.masqueraded, tuple(state.chains), tuple(state.steps), state.packet)

    def _at(self, hook: str, state: State) -> None:
        state.hook = hook
        self.run_hook(hook, state)

    def is_local(self, address: str) -> bool:
        return address in self._local or ip_address(address).is_loopback
