"""The zygote's state: sandboxes and the processes it has forked. Standard library only."""

from __future__ import annotations

import os

from fairlead.base.dataclass import dataclass
from fairlead.node.runtime.logs.logfile import LogFile, LogStream
from fairlead.node.runtime.protocol.containerspec import ContainerSpec
from fairlead.node.runtime.protocol.messages import ContainerRecord, ExitStatus, Run, SandboxRecord
from fairlead.node.runtime.zygote.attached import AttachedClient, Opening


@dataclass(frozen=True, slots=True)
class Pause:
    """A process that only keeps a process namespace alive."""

    pidfd: int
    namespace: int
    """A descriptor of the namespace: a process that others may not look at cannot be entered by its pidfd."""


@dataclass(frozen=True, slots=True)
class Namespaces:
    """A pod's network, host name and System V objects, kept alive by their descriptors."""

    record: SandboxRecord
    fds: tuple[int, ...]
    """The network's first."""
    pause: Pause | None = None
    """The first process of a shared process namespace."""


class Child:
    """A process that the zygote has forked, until it has ended and its owner has been notified."""

    def __init__(self, id_: str, pid: int, *, error_fd: int, request: int) -> None:
        self.id = id_
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.error_fd = error_fd
        self.request: int | None = request
        """The number of the request still to be answered."""
        self.started_at = 0.0
        """0: it does not run yet."""
        self.error = ""
        self.exit: ExitStatus | None = None


class Container(Child):
    """A container's first process, until it is forgotten."""

    def __init__(  # noqa: PLR0913 -- one value for each thing that is known of it from the start
        self,
        id_: str,
        pid: int,
        *,
        error_fd: int,
        request: int,
        sandbox: str,
        spec: ContainerSpec,
        record: ContainerRecord,
        log: LogFile,
    ) -> None:
        super().__init__(id_, pid, error_fd=error_fd, request=request)
        self.sandbox = sandbox
        self.spec = spec
        self.record = record
        self.log = log
        self.shares_pids = False
        """It runs in another container's process namespace."""
        self.mounts = 0
        """The inode of its mount namespace, which identifies its processes; read if the pod shares its process
        namespace."""
        self.console = -1
        """The socket over which its terminal will arrive."""
        self.stdin = -1
        """The writing end of its input, kept open for clients."""
        self.outputs: dict[int, LogStream] = {}
        self.clients: list[AttachedClient] = []
        self.opening = Opening() if spec.stdin and spec.stdin_once else None

    def run(self) -> Run:
        return Run(
            id=self.id,
            sandbox=self.sandbox,
            record=self.record,
            pid=self.pid,
            started_at=self.started_at,
            exit=self.exit,
        )
