"""The layer that all containers of host images on a node have above the host's files: users and groups, busybox's
applets, and directories in which the container's root may write.

Most files of the host belong to its root. In a cluster of an ordinary user that id is not mapped, so a container could
not write into the host's directories even with an overlay above them. In the layer the same directories belong to the
container's root; directories that other users may not read are left out. The layer is made once for each state of the
host and never changed, because containers have it mounted.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence

from fairlead.base.dataclass import dataclass, field
from fairlead.base.listing import unless_removed
from fairlead.node.images.accounts import group_file, passwd_file, shadow_file

APPLETS = "/usr/lib/fairlead/busybox"
"""The directory with all of busybox's applets, for the images that are busybox."""
_OPAQUE = "user.overlay.opaque"
_EMPTY = {"/var/tmp": 0o1777, "/var/log": 0o755}
"""Directories that hide the host's, with their modes."""
_TOP = ("etc", "opt", "srv", "usr", "var", "bin", "sbin", "lib", "lib64")
_DEPTH = {"/etc": 2, "/opt": 1, "/srv": 1, "/usr": 1, "/usr/local": 3, "/usr/share/nginx": 1, "/var": 3}
"""The levels of directories that the layer has below a directory of the host."""
_FORM = 2
"""Counts the changes of this module that make older layers useless."""
_LANDMARKS = (*_DEPTH, "/etc/passwd", "/etc/group", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/share", "/var/lib")
_MANY = 500
"""A directory with more entries has packages or a spool, and is left as the host has it."""
_LARGEST = 64 << 10
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(slots=True)
class _Plan:
    """The contents of the layer, by the paths in it."""

    folders: dict[str, int] = field(default_factory=dict)
    copies: dict[str, int] = field(default_factory=dict)
    """Files of the host, with their modes."""
    links: dict[str, str] = field(default_factory=dict)
    texts: dict[str, tuple[str, int]] = field(default_factory=dict)


def prepare(directory: str, *, single_id: bool, protect: Callable[[str], None] = lambda layer: None) -> str:
    """Makes the layer below `directory` if it is missing; returns its path, or an empty text if the file system lacks
    extended attributes of users. `protect` is called with the path before the layer is looked for."""
    try:
        layer = _path(directory, single_id)
        protect(layer)
        if os.path.isdir(layer):
            return layer
        os.makedirs(directory, exist_ok=True)
        with open(f"{directory}/.lock", "w", encoding="utf-8") as lock:  # of the agents only one makes the layer
            fcntl.flock(lock, fcntl.LOCK_EX)
            return layer if os.path.isdir(layer) else _make(layer, single_id=single_id)
    except OSError:
        return ""


def is_prepared(directory: str, *, single_id: bool) -> bool:
    return os.path.isdir(_path(directory, single_id))


def is_locked(directory: str) -> bool:
    """Returns whether another process makes the layer at this moment."""
    try:
        with open(f"{directory}/.lock", "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # the lock was not made yet
        return False
    return False


def _path(directory: str, single_id: bool) -> str:
    return f"{directory}/{_state_of_host(single_id)}"


def _make(layer: str, *, single_id: bool) -> str:
    """Makes the layer and returns its path. Raises OSError."""
    part = f"{layer}.part"
    shutil.rmtree(part, ignore_errors=True)
    try:
        os.mkdir(part)
        os.chmod(part, 0o755)
        _write(_plan(single_id=single_id), part)
        os.rename(part, layer)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        raise
    return layer


def _state_of_host(single_id: bool) -> str:
    """Returns a text that changes with the host's users, programs, and directories of packages."""
    changed = [os.stat(path).st_mtime_ns if os.path.exists(path) else 0 for path in _LANDMARKS]
    return hashlib.sha256(repr((_FORM, single_id, changed)).encode()).hexdigest()[:16]


def _plan(*, single_id: bool) -> _Plan:
    plan = _Plan()
    if single_id:
        for top, depth in _DEPTH.items():
            _add_folders(plan, top, depth)
        for entry in _entries("/etc"):
            with unless_removed(entry.path):
                status = entry.stat(follow_symlinks=False)
                if stat.S_ISREG(status.st_mode) and status.st_mode & 0o004 and status.st_size <= _LARGEST:
                    plan.copies[entry.path] = stat.S_IMODE(status.st_mode)
    else:
        plan.folders |= {f"/{top}": 0o755 for top in _TOP if os.path.isdir(f"/{top}") and not os.path.islink(f"/{top}")}
    passwd, group = _text("/etc/passwd"), _text("/etc/group")
    users = passwd_file(passwd)
    plan.texts["/etc/passwd"] = users, 0o644
    plan.texts["/etc/group"] = group_file(group), 0o644
    for name in ("shadow", "gshadow"):
        plan.texts[f"/etc/{name}"] = shadow_file(users) if name == "shadow" else "", 0o600
    plan.links |= dict(_links())
    for path in (*plan.links, *plan.texts, *_EMPTY):
        _add_parents(plan, path)
    return plan


def _add_folders(plan: _Plan, folder: str, depth: int) -> None:
    """Adds the directories that every user of the host may read. The container's root owns them."""
    try:
        status = os.lstat(folder)
    except OSError:
        return
    if not stat.S_ISDIR(status.st_mode) or status.st_mode & 0o005 != 0o005:
        return
    plan.folders[folder] = stat.S_IMODE(status.st_mode) & 0o1777
    if depth:
        for entry in _entries(folder):
            if entry.is_dir(follow_symlinks=False) and entry.path not in _EMPTY:
                _add_folders(plan, entry.path, depth - 1)


def _add_parents(plan: _Plan, path: str) -> None:
    folder = os.path.dirname(path)
    if folder not in ("/", *plan.folders):
        _add_parents(plan, folder)
        plan.folders[folder] = 0o755


def _links() -> Iterator[tuple[str, str]]:
    """Yields `python`, if the host has only `python3`, and busybox's applets: all of them in one directory,
    and in /usr/bin those that the host lacks."""
    if not shutil.which("python", path=_PATH) and (python := shutil.which("python3", path=_PATH)):
        yield "/usr/local/bin/python", python
    busybox = shutil.which("busybox", path=_PATH)
    if not busybox:
        return
    wget = shutil.which("wget", path=_PATH)
    for name in _applets(busybox):
        yield f"{APPLETS}/{name}", wget if name == "wget" and wget and not _has_time_limit(busybox) else busybox
        if not any(os.path.lexists(f"{folder}/{name}") for folder in _PATH.split(":")):
            yield f"/usr/bin/{name}", busybox


def _has_time_limit(busybox: str) -> bool:
    """Returns whether the applet wget has the option -T. Debian 12's ends by SIGSEGV if it is given."""
    done = subprocess.run([busybox, "wget", "--help"], capture_output=True, text=True, check=False)
    return "-T SEC" in done.stdout + done.stderr


def _applets(busybox: str) -> Sequence[str]:
    try:
        done = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=False)
    except OSError:
        return ()
    return sorted(name for name in done.stdout.split() if "/" not in name)


def _write(plan: _Plan, layer: str) -> None:
    for path, mode in sorted(plan.folders.items()):
        os.mkdir(layer + path, mode | 0o700)
        if mode & 0o1022:  # beyond the umask
            os.chmod(layer + path, mode | 0o700)
    for path, mode in _EMPTY.items():
        os.mkdir(layer + path)
        os.chmod(layer + path, mode)
        os.setxattr(layer + path, _OPAQUE, b"y")
    for path, mode in plan.copies.items():
        if path not in plan.texts:
            with unless_removed(path):
                shutil.copyfile(path, layer + path)
                os.chmod(layer + path, mode)
    for path, (text, mode) in plan.texts.items():
        with open(layer + path, "x", encoding="utf-8") as file:
            file.write(text)
        os.chmod(layer + path, mode)
    _write_links(plan.links, layer)


def _write_links(links: Mapping[str, str], layer: str) -> None:
    """Makes the symbolic links. Those with one target are one file with many names: 300 files take ext4 0.25 s."""
    first: dict[str, str] = {}
    for path, target in links.items():
        known = first.setdefault(target, layer + path)
        try:
            if known != layer + path:
                os.link(known, layer + path, follow_symlinks=False)
                continue
        except OSError:  # the file system lacks second names of links, or has too many of them
            first[target] = layer + path
        os.symlink(target, layer + path)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return []
    return entries if len(entries) <= _MANY else []


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
