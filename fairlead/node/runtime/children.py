"""What a zygote keeps: sandboxes and the processes it has forked. Standard library only."""

from __future__ import annotations

import os
from typing import Any

from fairlead.node.runtime.attached import Attached, Opening
from fairlead.node.runtime.logfile import LogFile, LogStream
from fairlead.node.runtime.wire import Message


class Sandbox:
    """A pod's network, host name and System V objects, kept alive by their descriptors."""

    def __init__(self, id_: str, meta: Any, fds: tuple[int, ...]) -> None:
        self.id = id_
        self.meta = meta
        self.fds = fds


class Child:
    """A container or an exec, from fork to `forget`."""

    def __init__(self, request: Message, pid: int) -> None:
        self.id: str = request["id"]
        self.sandbox: str = request.get("sandbox", "")
        self.container: str = request.get("container", "")
        self.meta = request.get("meta")
        self.recipe: Message = request.get("recipe", {})
        self.target: str = request.get("target", "")
        """The container whose processes it shares; empty: it has a process namespace of its own."""
        self.mounts = 0
        """The inode of its mount namespace, by which its processes are known; read if it has a target."""
        self.seq: int | None = request["q"]
        """The request still to be answered."""
        self.pid = pid
        self.pidfd = os.pidfd_open(pid)
        self.error_fd = -1
        self.console = -1
        """Where its terminal is still to come from."""
        self.started = 0.0
        self.error = ""
        self.exit: Message | None = None
        self.outputs: dict[int, LogStream] = {}
        self.log: LogFile | None = None
        self.stdin = -1
        """The writing end of its input, kept open for whoever attaches."""
        self.attached: list[Attached] = []
        self.opening: Opening | None = None

    def view(self) -> Message:
        state = {"id": self.id, "sandbox": self.sandbox, "container": self.container, "meta": self.meta}
        return state | {"pid": self.pid, "started": self.started, "exit": self.exit, "error": self.error}
