"""A cluster's folder on disk: where things lie, who holds it, and what runs.

    $XDG_STATE_HOME/fairlead/<cluster>/   0700
        config.json   the settings the cluster was made with        lock      held (flock) by the supervisor
        run.json      the supervisor and its components, by host pid store.db  the API's objects
        pki/ kubeconfig logs/ nodes/<node>/                         cluster-domain  as DNS has it

`run.json` outlives a kill -9 of the supervisor, so a reader believes it only as far as the pids in it are still the
same processes: every pid is written beside the time its process started.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import shutil
import stat
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fairlead.cmd.errors import CommandError


@dataclass(frozen=True, slots=True)
class Paths:
    root: Path

    @property
    def config(self) -> Path:
        return self.root / "config.json"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def run(self) -> Path:
        return self.root / "run.json"

    @property
    def store(self) -> Path:
        return self.root / "store.db"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def domain(self) -> Path:
        """The cluster's domain in DNS, for who writes resolv.confs."""
        return self.root / "cluster-domain"

    def node(self, name: str) -> Path:
        return self.root / "nodes" / name

    def log(self, component: str) -> Path:
        return self.logs / f"{component}.log"


def state_home() -> Path:
    """`$XDG_STATE_HOME/fairlead`."""
    return _own_folder("XDG_STATE_HOME", ".local/state")


def images_file() -> Path:
    """`$XDG_CONFIG_HOME/fairlead/images.toml`: host images of the user's own; may be absent."""
    return _own_folder("XDG_CONFIG_HOME", ".config") / "images.toml"


def _own_folder(variable: str, below_home: str) -> Path:
    """Of this program in one of the XDG base directories; relative values are ignored, as the specification asks."""
    base = os.environ.get(variable, "")
    if base.startswith("/"):
        return Path(base) / "fairlead"
    home = os.environ.get("HOME") or _home_of_user()
    if not home.startswith("/"):  # no $HOME, and a user that the password file does not know
        raise CommandError(f"you have no home folder; set HOME or {variable} to a folder that you can write")
    return Path(home) / below_home / "fairlead"


def _home_of_user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""


def paths_of(name: str) -> Paths:
    """Where the cluster's files lie. Raises CommandError where that is a place one may not even look at."""
    root = state_home() / name
    try:
        os.scandir(root).close()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as e:
        raise _unusable(root, e) from e
    return Paths(root)


def _unusable(folder: Path, e: OSError) -> CommandError:
    return CommandError(f"cannot use {folder}: {e.strerror}; set XDG_STATE_HOME to a folder that you can write")


def make_private(folder: Path) -> None:
    """Makes the folder and what leads to it; the folder itself is for its owner alone."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if stat.S_IMODE(folder.stat().st_mode) != 0o700:
            folder.chmod(0o700)
    except OSError as e:
        raise _unusable(folder, e) from e


def write_private(path: Path, data: bytes) -> None:
    """Replaces a file at once and whole, mode 0600. Raises CommandError where it cannot."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            rest = memoryview(data)
            while rest:  # where the disk becomes full, the first write is a short one
                rest = rest[os.write(fd, rest) :]
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except OSError as e:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        cure = "make room, or set XDG_STATE_HOME to another folder"
        raise CommandError(f"cannot write {path}: {os.strerror(e.errno or 0)}; {cure}") from e


def try_lock(paths: Paths) -> int | None:
    """The lock as a file descriptor to keep, or None where somebody holds it."""
    fd = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def wait_lock(paths: Paths, timeout_s: float) -> int | None:
    """As `try_lock`, but gives the last holder's children this long to be gone."""
    pause_s = 0.02
    for _ in range(max(1, int(timeout_s / pause_s))):
        fd = try_lock(paths)
        if fd is not None:
            return fd
        time.sleep(pause_s)
    return None


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
    addresses: list[str]
    """One of each family, IPv4 first. Likewise `podCIDRs`."""
    podCIDRs: list[str]


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
        write_private(paths.run, json.dumps(asdict(self), indent=1).encode())

    def alive(self) -> bool:
        return is_alive(self.pid, self.startTime)

    def component(self, name: str) -> Component | None:
        return next((c for c in self.components if c.name == name), None)


def read_run(paths: Paths) -> Run | None:
    """What was last written, whether or not it still holds (`Run.alive`). A damaged file is no matter where nobody
    holds the lock, for then nothing runs."""
    try:
        tree: dict[str, Any] = json.loads(paths.run.read_bytes())
        nodes = [NodeRecord(**n) for n in tree["nodes"]]
        components = [Component(**c) for c in tree["components"]]
        return Run(**{**tree, "nodes": nodes, "components": components})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as e:
        lock = try_lock(paths)
        if lock is not None:
            os.close(lock)
            return None
        cure = f"the cluster runs; end the process that holds {paths.lock}: fuser -k -TERM {paths.lock}"
        raise CommandError(f"{paths.run} is damaged ({e!r}), but {cure}") from e


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


def purge(paths: Paths) -> None:
    """Deletes the cluster's folder. Overlay leaves folders of mode 000 behind, which their owner may open again."""

    def reopen(_function: object, path: str, _info: object) -> None:
        parent = os.path.dirname(path)
        os.chmod(parent, 0o700)
        if os.path.isdir(path) and not os.path.islink(path):
            os.chmod(path, 0o700)
            shutil.rmtree(path, onerror=reopen)
        else:
            os.unlink(path)

    try:
        shutil.rmtree(paths.root, onerror=reopen)
    except OSError as e:
        raise CommandError(f"cannot delete {paths.root}: {e}") from e
