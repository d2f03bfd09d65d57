"""The processes inside the sandbox as values: what each is called, where it runs, when it is started again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0
STEADY_S = 1.0
"""A process that lived this long has not failed at its start."""


@dataclass(frozen=True, slots=True)
class Component:
    """`main` runs in a fresh fork, with no other descriptors than `keep`, and should not return."""

    name: str
    main: Callable[[], None]
    node: str = ""
    netns: int = -1
    keep: tuple[int, ...] = ()
    also_keep: Callable[[], Sequence[int]] = tuple
    """Further descriptors, which are known when the process is forked."""
    graceful: bool = True
    """Asked to end, and waited for, when the cluster goes down."""
    raises_limit: bool = True
    """Its soft limit of descriptors is raised to the hard one before `main`."""
    shares: bool = True
    """Forked, when it is started again, from a process that has imported what components share."""


@dataclass(slots=True)
class Attempts:
    """How often a component was started, and how soon it may be again."""

    restarts: int = 0
    pause_s: float = FIRST_PAUSE_S
    started: float = 0.0

    def ended(self, now: float) -> float:
        """Notes the end of a run that began at `started`; returns the time of the next start."""
        self.pause_s = FIRST_PAUSE_S if now - self.started >= STEADY_S else self.pause_s
        due = now + self.pause_s
        self.pause_s = min(LONGEST_PAUSE_S, self.pause_s * 2)
        self.restarts += 1
        return due
