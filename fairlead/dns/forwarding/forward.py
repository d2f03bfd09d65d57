"""Order and health of the upstream name servers. Pure: the time is a parameter.

Health follows from answers to real queries only: no probe is sent, so an idle cluster sends nothing. An upstream
that failed twice in a row is skipped for one second, then two, up to ten, and then gets one query as a trial. If
all upstreams are down, all are asked, in their order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fairlead.base.dataclass import dataclass, field

MOST_FAILURES = 2
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 10.0


@dataclass(slots=True)
class Health:
    failures: int = 0
    down_until: float = 0.0
    pause_s: float = FIRST_PAUSE_S


@dataclass(slots=True)
class Healths:
    """The health of each upstream, by name."""

    _states: dict[str, Health] = field(default_factory=dict)

    def of(self, upstream: str) -> Health:
        return self._states.setdefault(upstream, Health())

    def order(self, upstreams: Sequence[str], now: float) -> list[str]:
        """Returns the upstreams that are up, in their order, followed by those that are down, as a last resort."""
        living = [one for one in upstreams if self.of(one).down_until <= now]
        return living + [one for one in upstreams if one not in living]

    def succeeded(self, upstream: str) -> None:
        self._states[upstream] = Health()

    def failed(self, upstream: str, now: float) -> bool:
        """Counts a failure and returns True if the upstream is skipped from now on."""
        state = self.of(upstream)
        state.failures += 1
        if state.failures < MOST_FAILURES:
            return False
        state.down_until = now + state.pause_s
        state.pause_s = min(LONGEST_PAUSE_S, state.pause_s * 2)
        return True

    def is_down(self, upstream: str, now: float) -> bool:
        return self.of(upstream).down_until > now


def choose(name: bytes, stubs: Mapping[bytes, Sequence[str]], upstreams: Sequence[str]) -> Sequence[str]:
    """Returns the upstreams of the longest stub domain that contains the name (wire form, lower case), else
    `upstreams`."""
    if stubs:
        at = 0
        while True:
            servers = stubs.get(name[at:])
            if servers is not None:
                return servers
            if not name[at]:
                break
            at += 1 + name[at]
    return upstreams
