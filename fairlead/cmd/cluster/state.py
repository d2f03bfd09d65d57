"""The processes of a cluster, recorded in `run.json`.

`run.json` outlives a kill -9 of the supervisor. Each pid is recorded with the start time of its process, so that a
reader can check if the process still runs.
"""

from __future__ import annotations

import json
import os
import time

from fairlead.base.codec import decode, encode
from fairlead.base.dataclass import dataclass, field
from fairlead.cmd.cluster import config as settings
from fairlead.cmd.cluster.installation import Installation
from fairlead.cmd.cluster.lock import try_lock
from fairlead.cmd.cluster.paths import Paths, overwrite, write_private
from fairlead.cmd.errors import CommandError


@dataclass(slots=True)
class Component:
    """One process of the cluster, with its pid on the host."""

    name: str
    pid: int
    startTime: int
    restarts: int = 0
    node: str = ""


@dataclass(slots=True)
class NodeRecord:
    name: str
    addresses: list[str] = field(default_factory=list)
    """One address of each family, IPv4 first."""
    podCIDRs: list[str] = field(default_factory=list)
    """One range of each family, IPv4 first."""


@dataclass(slots=True)
class Run:
    """The contents of `run.json`."""

    pid: int
    startTime: int
    api: str = ""
    kubeconfig: str = ""
    ready: bool = False
    nodes: list[NodeRecord] = field(default_factory=list)
    components: list[Component] = field(default_factory=list)
    hostLink: str = ""
    """The host's end of the link that carries its routes; empty without `--host-routes`."""
    hostAddresses: list[str] = field(default_factory=list)
    """The host's addresses on that link, as the cluster sees them."""
    installation: Installation = Installation()
    """The program's files when the cluster started."""

    def write(self, paths: Paths) -> None:
        """Writes the file. Raises CommandError if the disk is full and the old file is too short to be overwritten."""
        data = json.dumps(encode(Run, self), indent=1).encode()
        try:
            write_private(paths.run_file, data)
        except CommandError:
            if not overwrite(paths.run_file, data):
                raise

    def alive(self) -> bool:
        return is_alive(self.pid, self.startTime)

    def component(self, name: str) -> Component | None:
        return next((c for c in self.components if c.name == name), None)


def read_run(paths: Paths) -> Run | None:
    """Returns the last record; `Run.alive` tells if it is still true. Returns None if the cluster does not run.

    Another version of this program may have written the record: unknown fields are ignored and missing ones are empty.
    If the file is missing or damaged, the holder of the lock tells if the cluster runs.
    """
    try:
        return decode(Run, json.loads(paths.run_file.read_bytes()), unknown=True)
    except FileNotFoundError:
        return _rebuilt(paths)
    except (OSError, ValueError) as e:
        if (run := _rebuilt(paths)) is not None:
            return run
        try:
            lock = try_lock(paths)
        except FileNotFoundError:
            return None
        if lock is not None:
            os.close(lock)
            return None
        cure = f"the cluster runs; end the process that holds {paths.lock}: fuser -k -TERM {paths.lock}"
        raise CommandError(f"{paths.run_file} is damaged ({e}), but {cure}") from e


def _rebuilt(paths: Paths) -> Run | None:
    """Returns the record of a running cluster without its file: from its processes and its settings. The addresses of a
    link to the host (`--host-routes`) are missing, and restarts are 0."""
    from fairlead.cmd.cluster.processes import find_components, find_supervisor

    pid = find_supervisor(paths)
    config = settings.load(paths) if pid else None
    if config is None:
        return None
    network = config.network()
    nodes = [
        NodeRecord(name, list(map(str, network.node_ips(i))), list(map(str, network.pod_cidrs_of(i))))
        for i, name in enumerate(config.node_names, 1)
    ]
    known = {f"{role}-{name}": name for name in config.node_names for role in ("agent", "zygote")}
    components = [
        Component(name, one, start_time(one) or 0, node=known.get(name, "")) for name, one in find_components(pid)
    ]
    return Run(
        pid,
        start_time(pid) or 0,
        api=f"https://127.0.0.1:{config.api_port}",
        kubeconfig=str(paths.kubeconfig),
        ready=True,  # unknown: the readiness of each node comes from the API
        nodes=nodes,
        components=sorted(components, key=lambda c: c.name),
    )


def start_time(pid: int) -> int | None:
    """Returns the start of the process in clock ticks since boot, or None if it has ended.

    Pid and start time together identify a process: the kernel reuses pids.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            fields = f.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def is_alive(pid: int, started: int) -> bool:
    return start_time(pid) == started


def age_of_process_s(pid: int) -> float:
    """Returns the seconds since the process was started, with a resolution of 10 ms."""
    started = start_time(pid) or 0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started / os.sysconf("SC_CLK_TCK")
