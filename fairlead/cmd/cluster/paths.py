"""The paths of a cluster's files, and functions that write them.

$XDG_STATE_HOME/fairlead/<cluster>/   0700
    config.json   the settings the cluster was made with        lock      held (flock) by the supervisor
    run.json      the supervisor and its components, by host pid store.db  the API's objects
    pki/ kubeconfig logs/ nodes/<node>/                         cluster-domain  the domain of DNS
    volumes/      the directories of PersistentVolumes
"""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from pathlib import Path

from fairlead.base.dataclass import dataclass
from fairlead.cmd.errors import CommandError

DEFAULT_DOMAIN = "cluster.local"


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
    def run_file(self) -> Path:
        return self.root / "run.json"

    @property
    def store(self) -> Path:
        return self.root / "store.db"

    @property
    def etcd(self) -> Path:
        """The sockets that lead to the members of an etcd store."""
        return self.root / "etcd"

    def etcd_socket(self, member: int) -> Path:
        """Returns the socket of the member with this index in the store's address."""
        return self.etcd / f"{member}.sock"

    @property
    def image_socket(self) -> Path:
        """The socket of the pulling service."""
        return self.root / "images.sock"

    @property
    def pki(self) -> Path:
        return self.root / "pki"

    @property
    def kubeconfig(self) -> Path:
        return self.root / "kubeconfig"

    @property
    def kubeconfig_inside(self) -> Path:
        """The kubeconfig for programs on the nodes, which `fairlead shell` starts."""
        return self.root / "kubeconfig.inside"

    @property
    def user_kubeconfigs(self) -> Path:
        """The paths of the user's kubeconfigs that have a context of this cluster, one a line."""
        return self.root / "user-kubeconfigs"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def domain(self) -> Path:
        """The cluster's domain in DNS, read by all that write a resolv.conf."""
        return self.root / "cluster-domain"

    @property
    def volumes(self) -> Path:
        """The directories of PersistentVolumes, which all nodes share."""
        return self.root / "volumes"

    @property
    def snapshots(self) -> Path:
        """The snapshots of the cluster, a folder each."""
        return self.root / "snapshots"

    @property
    def paused(self) -> Path:
        """The processes of Pods that are stopped while a snapshot is made."""
        return self.root / "paused.json"

    def node(self, name: str) -> Path:
        return self.root / "nodes" / name

    def log(self, component: str) -> Path:
        return self.logs / f"{component}.log"


def state_home() -> Path:
    """Returns `$XDG_STATE_HOME/fairlead`."""
    return _own_folder("XDG_STATE_HOME", ".local/state")


def image_store() -> Path:
    """Returns `$XDG_STATE_HOME/fairlead/.images`, which all clusters of the user share: no cluster has such a name, and
    no Pod sees the folder."""
    return state_home() / ".images"


def registries_file() -> Path:
    """Returns `$XDG_CONFIG_HOME/fairlead/registries.toml`, the settings of registries. The file may be absent."""
    return _own_folder("XDG_CONFIG_HOME", ".config") / "registries.toml"


def docker_config() -> Path:
    """Returns Docker's file with credentials: `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`."""
    folder = os.environ.get("DOCKER_CONFIG") or f"{os.environ.get('HOME') or _home_of_user()}/.docker"
    return Path(folder) / "config.json"


def images_file() -> Path:
    """Returns `$XDG_CONFIG_HOME/fairlead/images.toml`, the user's host images. The file may be absent."""
    return _own_folder("XDG_CONFIG_HOME", ".config") / "images.toml"


def seccomp_folder() -> Path:
    """Returns `$XDG_CONFIG_HOME/fairlead/seccomp`, the user's seccomp profiles. The folder may be absent."""
    return _own_folder("XDG_CONFIG_HOME", ".config") / "seccomp"


def _own_folder(variable: str, below_home: str) -> Path:
    """Returns this program's folder in an XDG base directory. The specification says to ignore relative values."""
    base = os.environ.get(variable, "")
    if base.startswith("/"):
        return Path(base) / "fairlead"
    home = os.environ.get("HOME") or _home_of_user()
    if not home.startswith("/"):  # no $HOME, and a user that the password file does not know
        raise CommandError(f"your home folder is unknown; set HOME or {variable} to a folder that you can write")
    return Path(home) / below_home / "fairlead"


def _home_of_user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""


def paths_of(name: str) -> Paths:
    """Returns the paths of the cluster's files. Raises CommandError if this user may not read the folder."""
    root = state_home() / name
    try:
        os.scandir(root).close()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as e:
        raise _unusable(root, e) from e
    return Paths(root)


def read_domain(path: Path) -> str:
    """Returns the cluster's domain from `Paths.domain`, or the default if the file does not exist."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip() or DEFAULT_DOMAIN
    except OSError:
        return DEFAULT_DOMAIN


def _unusable(folder: Path, e: OSError) -> CommandError:
    return CommandError(f"cannot use {folder}: {e.strerror}; set XDG_STATE_HOME to a folder that you can write")


def make_private(folder: Path) -> None:
    """Makes the folder, mode 0700, and its parents."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if stat.S_IMODE(folder.stat().st_mode) != 0o700:
            folder.chmod(0o700)
    except OSError as e:
        raise _unusable(folder, e) from e


def open_log(path: Path) -> int:
    """Opens a log to append to, mode 0600.

    If the log cannot be opened, e.g. on a full disk, the process runs all the same: the descriptor is of /dev/null.
    """
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)


def write_private(path: Path, data: bytes) -> None:
    """Replaces a file atomically, mode 0600. Raises CommandError if the file cannot be written."""
    try:
        replace_file(path, data)
    except OSError as e:
        cure = "make room, or set XDG_STATE_HOME to another folder"
        raise CommandError(f"cannot write {path}: {os.strerror(e.errno or 0)}; {cure}") from e


def replace_file(path: Path, data: bytes, *, owner: tuple[int, int] | None = None) -> None:
    """Replaces a file atomically, mode 0600. Root may give it to the owner, a user and a group. Raises OSError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            rest = memoryview(data)
            while rest:  # as the disk becomes full, the first write is a short one
                rest = rest[os.write(fd, rest) :]
            if owner is not None and os.geteuid() == 0:
                os.fchown(fd, *owner)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def overwrite(path: Path, data: bytes) -> bool:
    """Writes into the blocks that a file already has, for a full disk. Returns False if the data does not fit.

    If the old data was longer, spaces fill the rest, which JSON allows.
    """
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            status = os.fstat(fd)
            if len(data) > status.st_blocks * 512:
                return False
            return os.pwrite(fd, data.ljust(status.st_size), 0) >= len(data)
        finally:
            os.close(fd)
    except OSError:
        return False
