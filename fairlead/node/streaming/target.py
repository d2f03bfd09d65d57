"""The parts of a node and of its Pods that the node's API needs."""

from __future__ import annotations

from typing import Protocol

from fairlead.api.core.pod.kind import Pod


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


class NodePods(Protocol):
    """The Pods of this node. The agent implements it."""

    def find(self, namespace: str, name: str) -> StreamedPod | None:
        """Returns the Pod with this name; None if it is not on this node."""
        ...

    def pods(self) -> list[Pod]:
        """Returns the latest versions of the Pods."""
        ...
