"""The part of a Pod on this node that its streams need; the agent finds it by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class StreamedPod(Protocol):
    @property
    def uid(self) -> str: ...

    def container_id(self, container: str) -> str:
        """Returns the id of the container's present run; empty if it does not run."""
        ...

    def log_file(self, container: str, *, previous: bool) -> str | None:
        """Returns the path of the log of the present run, or of the run before it; None without a log."""
        ...

    def log_grows(self, container: str, path: str) -> bool:
        """Returns whether a running container writes to this log."""
        ...


FindPod = Callable[[str, str], StreamedPod | None]
"""Finds a Pod by namespace and name."""
