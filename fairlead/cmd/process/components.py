"""The processes inside the sandbox as values: the name, the namespace and the restarts of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fairlead.base.dataclass import dataclass

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0
STEADY_S = 1.0
"""A process that ran this long did not fail at its start."""


@dataclass(frozen=True, slots=True)
class Component:
    """One process. `main` runs in a new fork, with only the descriptors of `keep`, and should not return."""

    name: str
    main: Callable[[], None]
    node: str = ""
    netns: int = -1
    keep: tuple[int, ...] = ()
    also_keep: Callable[[], Sequence[int]] = tuple
    """Returns further descriptors to keep; called at the fork."""
    graceful: bool = True
    """The process receives SIGTERM and time to end when the cluster stops."""
    raises_limit: bool = True
    """The soft limit of descriptors is raised to the hard limit before `main`."""
    shares: bool = True
    """At a restart, the process is forked from one that has imported the modules shared by components."""


@dataclass(slots=True)
class Attempts:
    """Restart count and back-off of a component."""

    restarts: int = 0
    pause_s: float = FIRST_PAUSE_S
    started: float = 0.0

    def record_end(self, now: float) -> float:
        """Records the end of a process started at `started`; returns the time of the next start."""
        self.pause_s = FIRST_PAUSE_S if now - self.started >= STEADY_S else self.pause_s
        due = now + self.pause_s
        self.pause_s = min(LONGEST_PAUSE_S, self.pause_s * 2)
        self.restarts += 1
        return due
