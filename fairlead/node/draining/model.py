"""Types for the drain of a Pod: the state of the cluster's proxies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

Applied = Callable[[int, float], Awaitable[int]]
"""Waits until this node's proxies follow a revision of EndpointSlices, at most so many seconds. Returns the revision
that they follow."""
Ask = Callable[[str, int], Awaitable[int]]
"""Asks the agent at an address (with its port) for the revision that its proxies have applied. Raises
ConnectionError."""


class Traffic(Protocol):
    async def applied(self, revision: int, within_s: float) -> int:
        """Returns the applied revision, as `Applied` does."""
        ...

    async def drained(self, uid: str, within_s: float) -> bool:
        """Waits until no node sends new connections to the Pod; returns False if that takes longer."""
        ...
