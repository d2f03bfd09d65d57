"""The processes of a cluster, as `run.json` names them.

`run.json` outlives a kill -9 of the supervisor, so a reader believes it only as far as the pids in it are still the
same processes: every pid is written beside the time its process started.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field

from fairlead.base.codec import decode, encode
from fairlead.cmd.cluster.lock import try_lock
from fairlead.cmd.cluster.paths import Paths, overwrite, write_private
from fairlead.cmd.errors import CommandError


@dataclass(slots=True)
class Component:
    """One process of the cluster, by the pid it has on the host."""

    name: str
    pid: int
    startTime: int
    restarts: int = 0
    node: str = ""


@dataclass(slots=True)
class NodeRecord:
    name: str
    addresses: list[str] = field(default_factory=list)
    """One of each family, IPv4 first. Likewise `podCIDRs`."""
    podCIDRs: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Run:
    """What `run.json` says."""

    pid: int
    startTime: int
    api: str = ""
    kubeconfig: str = ""
    ready: bool = False
    nodes: list[NodeRecord] = field(default_factory=list)
    components: list[Component] = field(default_factory=list)
    hostLink: str = ""
    """The host's end of the link that its routes go through; empty where it has none."""
    hostAddresses: list[str] = field(default_factory=list)
    """As which the cluster sees the host on that link."""

    def write(self, paths: Paths) -> None:
        """Raises CommandError if there is room neither for a new file nor in the old one."""
        data = json.dumps(encode(Run, self), indent=1).encode()
        try:
            write_private(paths.run, data)
        except CommandError:
            if not overwrite(paths.run, data):
                raise

    def alive(self) -> bool:
        return is_alive(self.pid, self.startTime)

    def component(self, name: str) -> Component | None:
        return next((c for c in self.components if c.name == name), None)


def read_run(paths: Paths) -> Run | None:
    """Returns what was last written, whether or not it is still true (`Run.alive`).

    Another version of this program may have written it: unknown fields are ignored and missing ones are empty. If the
    file is damaged and no process holds the lock, nothing runs, and the answer is None.
    """
    try:
        return decode(Run, json.loads(paths.run.read_bytes()), unknown=True)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as e:
        try:
            lock = try_lock(paths)
        except FileNotFoundError:
            return None
        if lock is not None:
            os.close(lock)
            return None
        cure = f"the cluster runs; end the process that holds {paths.lock}: fuser -k -TERM {paths.lock}"
        raise CommandError(f"{paths.run} is damaged ({e}), but {cure}") from e


def start_time(pid: int) -> int | None:
    """When the process started, in clock ticks since boot: with the pid, what tells a process from a later one."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            fields = f.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def is_alive(pid: int, started: int) -> bool:
    return start_time(pid) == started


def age_of_process_s(pid: int) -> float:
    """How long ago the process was started (to 10 ms)."""
    started = start_time(pid) or 0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK")
