"""The host's directories as a container sees them: files that every user of the machine can read, and no others.

A cluster of root's maps root's id, so a container's root is the host's root as far as files are concerned, with its
right to open root's private files. The container's view is therefore an overlay (without an upper layer) that was
mounted as a user who owns nothing: overlayfs opens the lower file with the rights of the process that made the mount
(Linux 5.11 in a user namespace), on top of the usual check. A user's cluster maps one id, which is the user: there the
directories of that user are left out, and the user's private files are covered. The same cover is the second best if
the kernel refuses the overlay.

Rejected: id-mapped mounts (only the host's real root may make them, and not of every file system); a nested user
namespace with other ids (a container's root could then no longer write to a hostPath, as it can on other clusters).
Runs in a forked child of the zygote: standard library only.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator

from fairlead.net import fsfd, linux
from fairlead.net.fsfd import ATTR_READ_ONLY
from fairlead.node.runtime.mounting import NO_TRUST, attach, closing

_LEFT_OUT = frozenset(
    ("proc", "dev", "sys", "tmp", "run", "home", "root", "boot", "lost+found", "media", "mnt", "snap")
)
"""Made afresh, or other people's business."""
_SYSTEM = frozenset(("bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr"))
"""Top-level directories without users' own files; in the others such files are looked for two levels deep."""
_MANY = 2000
"""A directory with more entries is a package store (/nix/store) or a spool, and not searched."""
_OTHER = 65533
"""The id that owns nothing: neither root nor the user `nobody` (65534), which some daemons run as."""
_KNOBS = ("proc", "sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "configfs", "bpf", "efivarfs")
_KERNEL = frozenset((*_KNOBS, "pstore", "binfmt_misc", "fusectl"))
_ATTRIBUTES = ATTR_READ_ONLY | NO_TRUST


class HostView:
    """Builds the view below `bundle`."""

    def __init__(self, bundle: str, *, single_id: bool) -> None:
        self._bundle = bundle
        self._single_id = single_id
        self._overlays = not single_id
        self._empty = f"{bundle}/proc"
        """The second lower layer, since overlayfs wants two. The container's /proc covers it (an unmount takes ms)."""
        self._mine = single_id and os.stat("/").st_uid != 0
        """True if directories of the one mapped id can be distinguished from the system's."""

    def build(self) -> list[str]:
        """Shows the host's top-level directories, and returns the paths that must be covered."""
        mounts = [path for path, _ in _mounts() if not path.startswith(self._bundle)]
        if self._overlays:
            os.mkdir(self._empty)
            linux.mount("fairlead", self._empty, "tmpfs", linux.MS_RDONLY, "mode=755,size=4k")
            with contextlib.suppress(PermissionError):
                os.setgroups([])  # root's groups; the overlays would keep them
            self._overlays = not os.getgroups()
        elsewhere, shown = [], []
        for entry in sorted(os.scandir("/"), key=lambda e: e.name):
            if entry.is_symlink() and entry.name in _LEFT_OUT:
                elsewhere.append(os.path.realpath(entry.path))  # such as /home, which may lie in /var
            elif entry.is_symlink():
                os.symlink(os.readlink(entry.path), f"{self._bundle}/{entry.name}")
            elif self._is_shown(entry):
                os.mkdir(f"{self._bundle}/{entry.name}")
                self._show(entry.path, mounts)
                shown.append(entry.path)
        return elsewhere + ([] if self._overlays else self._private(shown))

    def _is_shown(self, entry: os.DirEntry[str]) -> bool:
        if entry.name in _LEFT_OUT or entry.name.startswith(".") or not entry.is_dir():
            return False
        return not (self._mine and entry.stat().st_uid == 0)

    def _show(self, path: str, mounts: list[str]) -> None:
        if self._overlays:
            try:
                self._guard(path, mounts)
            except OSError as error:
                self._overlays = False
                os.write(2, f"covering private files instead of an overlay: {error}\n".encode())  # the zygote's log
            else:
                return
        _bind(path, self._bundle + path)

    def _guard(self, path: str, mounts: list[str]) -> None:
        """Returns an overlay of the directory. Mounts that came with the user namespace are locked, and a directory
        above a locked mount cannot be a lower layer: such a directory is rebuilt from its entries."""
        below = [point for point in mounts if point.startswith(path + "/")]
        if below:
            self._split(path, below)
            return
        with _opened(path) as lower, _opened(self._empty) as empty, _opened(self._bundle + path) as at:
            layers = {"lowerdir": f"/proc/self/fd/{lower}:/proc/self/fd/{empty}"}
            with fsfd.file_access_as(_OTHER, _OTHER):
                tree = fsfd.new_mount("overlay", layers, _ATTRIBUTES)
            attach(tree, at)

    def _split(self, path: str, mounts: list[str]) -> None:
        mode = stat.S_IMODE(os.stat(path).st_mode)
        with _opened(self._bundle + path) as at:
            tree = fsfd.new_mount("tmpfs", {"mode": f"{mode:o}", "size": "1m"}, NO_TRUST)
            attach(tree, at)
        if mode & 0o005 != 0o005:
            return
        for entry in os.scandir(path):
            shown = self._bundle + entry.path
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), shown)
            elif entry.is_dir():
                os.mkdir(shown, 0o755)
                self._guard(entry.path, mounts)
            elif entry.stat().st_mode & 0o004 and entry.is_file():
                _touch(shown)
                _bind(entry.path, shown)

    def _private(self, shown: list[str]) -> list[str]:
        """Returns the entries to cover, two levels deep (in /etc one): those private to one user."""
        private: list[str] = []
        folders = [path for path in shown if path[1:] not in _SYSTEM] + ["/usr/local"]
        for _ in range(2):
            below: list[str] = []
            for folder in folders:
                for path in _entries(folder):
                    (private if self._is_private(path) else below).append(path)
            folders = [path for path in below if not path.startswith("/etc/")]
        return private

    def _is_private(self, path: str) -> bool:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode) or (self._single_id and status.st_uid != 0):
            return False
        required = 0o005 if stat.S_ISDIR(status.st_mode) else 0o004
        return status.st_mode & required != required or (self._mine and stat.S_ISDIR(status.st_mode))


def _entries(folder: str) -> list[str]:
    try:
        names = os.listdir(folder)
    except OSError:  # a file, among others
        return []
    return [f"{folder}/{name}" for name in names] if len(names) <= _MANY else []


def kernel_mounts() -> list[str]:
    """Returns the mount points of file systems that are the kernel's knobs."""
    return [path for path, kind in _mounts() if kind in _KERNEL]


def _mounts() -> Iterator[tuple[str, str]]:
    """Yields the mount points of the present mount namespace, with the type of the file system (proc(5), mountinfo)."""
    with open("/proc/self/mountinfo", "rb") as file:
        for line in file:
            fields = line.split(b" ")
            path = os.fsdecode(fields[4].decode("unicode_escape").encode("latin-1"))
            yield path, fields[fields.index(b"-", 6) + 1].decode()


def _opened(path: str) -> contextlib.AbstractContextManager[int]:
    return closing(os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC))


def _bind(source: str, target: str) -> None:
    with _opened(source) as fd, _opened(target) as at:
        tree = fsfd.open_tree(fd)
        fsfd.set_attributes(tree, _ATTRIBUTES)
        attach(tree, at)


def _touch(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644))
