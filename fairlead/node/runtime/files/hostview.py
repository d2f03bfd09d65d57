"""The host's directories as a container sees them: files that every user of the machine can read, and no others.

A cluster of root's maps root's id, so a container's root is the host's root as far as files are concerned, with its
right to open root's private files. The container's view is therefore an overlay (without an upper layer) that was
mounted as a user who owns nothing: overlayfs opens the lower file with the rights of the process that made the mount
(Linux 5.11 in a user namespace), on top of the usual check. A user's cluster maps one id, which is the user: there the
directories of that user are left out, and the user's private files are covered. The same cover is the second best if
the kernel refuses the overlay.

A container writes into a second overlay, whose lower layers are the node's prepared layer (`node/images/hostlayer`) and
the view, and whose upper layer is the container's own: one for each top-level directory, since a mount point cannot lie
below a lower layer. A directory without that overlay stays read-only, and what the upper layer has for it is bound.

Rejected: id-mapped mounts (only the host's real root may make them, and not of every file system); a nested user
namespace with other ids (a container's root could then no longer write to a hostPath, as it can on other clusters).
Runs in a forked child of the zygote: standard library only.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Sequence

from fairlead.base.listing import unless_removed
from fairlead.net import fsfd, linux
from fairlead.net.fsfd import ATTR_READ_ONLY
from fairlead.node.runtime.files.imageroot import is_opaque, mount_overlay
from fairlead.node.runtime.files.mounting import NO_TRUST, attach, closing
from fairlead.node.runtime.files.ownlayer import copy_entry
from fairlead.node.runtime.protocol.containerspec import ImageRoot

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

    def __init__(self, bundle: str, mounts: Sequence[str], *, single_id: bool, above: ImageRoot | None = None) -> None:
        """`mounts` are the mount points that the namespace had before the bundle's."""
        self._bundle = bundle
        self._mounts = [path for path in mounts if not path.startswith(bundle)]
        self._single_id = single_id
        self._overlays = not single_id
        self._above = above
        self.writable: list[str] = []
        """The mount points on which the container can write."""
        self.read_only: list[str] = []
        """The directories without a writable overlay, though one was asked for."""
        self._empty = f"{bundle}/proc"
        """The second lower layer, since overlayfs wants two. The container's /proc covers it (an unmount takes ms)."""
        self._mine = single_id and os.stat("/").st_uid != 0
        """True if directories of the one mapped id can be distinguished from the system's."""

    def build(self) -> list[str]:
        """Shows the host's top-level directories, and returns the paths that must be covered."""
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
                continue
            with unless_removed(entry.path):
                if entry.is_symlink():
                    os.symlink(os.readlink(entry.path), f"{self._bundle}/{entry.name}")
                elif self._is_shown(entry):
                    os.mkdir(f"{self._bundle}/{entry.name}")
                    if not self._stays_empty(entry.path):
                        self._show(entry.path)
                        shown.append(entry.path)
        self._show_own_top()
        return elsewhere + ([] if self._overlays else self._private(shown))

    def _is_shown(self, entry: os.DirEntry[str]) -> bool:
        if entry.name in _LEFT_OUT or entry.name.startswith(".") or not entry.is_dir():
            return False
        return not (self._mine and entry.stat().st_uid == 0)

    def _show_own_top(self) -> None:
        """Shows the top-level entries that only the layers above the host's have."""
        if self._above is None:
            return
        upper = f"{self._above.writable}/upper"
        for entry in os.scandir(upper):
            shown = f"{self._bundle}/{entry.name}"
            if os.path.lexists(shown):
                continue
            if entry.is_symlink() or not entry.is_dir():
                copy_entry(entry, shown)
                continue
            os.mkdir(shown)
            _bind(entry.path, shown, read_only=False)
            self.writable.append(f"/{entry.name}")
        for layer in self._above.layers:
            for name in os.listdir(layer):
                with contextlib.suppress(FileExistsError):
                    os.mkdir(f"{self._bundle}/{name}", 0o755)

    def _stays_empty(self, path: str) -> bool:
        """Returns True if a directory that the container may write into has nothing to show: it needs no mount."""
        if not self._layers(path) or os.listdir(path):
            return False
        uppers = [self._above.writable + "/upper" + path] if self._above else []
        return not any(os.path.isdir(layer) and os.listdir(layer) for layer in (*uppers, *self._layers(path)))

    def _show(self, path: str) -> None:
        """Shows a directory. Mounts that came with the user namespace are locked, and a directory above a locked mount
        cannot be a lower layer: such a directory is rebuilt from its entries."""
        below = [point for point in self._mounts if point.startswith(path + "/")]
        if below and (self._overlays or self._layers(path)):
            self._split(path)
            return
        layered = bool(self._layers(path))
        if self._overlays or not layered:
            self._guard(path)
        if layered and not self._cover(path) and not self._overlays:
            self._guard(path)

    def _guard(self, path: str) -> None:
        """Shows the host's directory read-only, in a cluster of root by an overlay."""
        if self._overlays:
            try:
                self._guard_by_overlay(path)
            except OSError as error:
                self._overlays = False
                os.write(2, f"covering private files instead of an overlay: {error}\n".encode())  # the zygote's log
            else:
                return
        _bind(path, self._bundle + path)

    def _guard_by_overlay(self, path: str) -> None:
        with _opened(path) as lower, _opened(self._empty) as empty, _opened(self._bundle + path) as at:
            layers = {"lowerdir": f"/proc/self/fd/{lower}:/proc/self/fd/{empty}"}
            with fsfd.file_access_as(_OTHER, _OTHER):
                tree = fsfd.new_mount("overlay", layers, _ATTRIBUTES)
            attach(tree, at)

    def _layers(self, path: str) -> list[str]:
        """Returns the layers above the host's that have the directory, the lowest first."""
        if self._above is None:
            return []
        return [layer + path for layer in self._above.layers if os.path.isdir(layer + path)]

    def _cover(self, path: str) -> bool:
        """Mounts the writable overlay over the view of the directory; returns False if the kernel refuses it."""
        assert self._above is not None
        lower = [self._bundle + path if self._overlays else path, *self._layers(path)]
        upper, work = self._above.writable + "/upper" + path, f"{self._above.writable}/work/{path.replace('/', '.')}"
        for folder in (upper, work):
            os.makedirs(folder, exist_ok=True)
        try:
            mount_overlay(lower, upper, work, self._bundle + path)
        except OSError as error:
            self.read_only.append(path)
            os.write(2, f"{path} is read-only in containers of host images: {error}\n".encode())  # the zygote's log
            return False
        self.writable.append(path)
        return True

    def _split(self, path: str) -> None:
        mode = stat.S_IMODE(os.stat(path).st_mode)
        with _opened(self._bundle + path) as at:
            tree = fsfd.new_mount("tmpfs", {"mode": f"{mode:o}", "size": "64m"}, NO_TRUST)
            attach(tree, at)
        self.writable.append(path)
        own = self._own_entries(path)
        for entry in os.scandir(path) if mode & 0o005 == 0o005 else ():
            if entry.name not in own:
                with unless_removed(entry.path):
                    self._show_entry(entry)

    def _show_entry(self, entry: os.DirEntry[str]) -> None:
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), self._bundle + entry.path)
        elif entry.is_dir():
            os.mkdir(self._bundle + entry.path, 0o755)
            self._show(entry.path)
        elif entry.stat().st_mode & 0o004 and entry.is_file():
            _touch(self._bundle + entry.path)
            _bind(entry.path, self._bundle + entry.path)

    def _own_entries(self, path: str) -> set[str]:
        """Copies the files and links that the layers above the host's have in a split directory; returns their names,
        and those of directories that hide the host's."""
        own: set[str] = set()
        uppers = [f"{self._above.writable}/upper{path}"] if self._above else []
        for layer in reversed([*self._layers(path), *filter(os.path.isdir, uppers)]):
            for entry in os.scandir(layer):
                shown = f"{self._bundle}{path}/{entry.name}"
                if os.path.lexists(shown):
                    continue
                if entry.is_symlink() or entry.is_file():
                    copy_entry(entry, shown)
                elif entry.is_dir() and is_opaque(entry.path):
                    os.mkdir(shown)
                    os.chmod(shown, stat.S_IMODE(entry.stat().st_mode))
                    _bind(entry.path, shown, read_only=False)
                    self.writable.append(f"{path}/{entry.name}")
                else:
                    continue
                own.add(entry.name)
        return own

    def _private(self, shown: list[str]) -> list[str]:
        """Returns the entries to cover, two levels deep (in /etc one): those private to one user."""
        private: list[str] = []
        folders = [path for path in shown if path[1:] not in _SYSTEM] + ["/usr/local"]
        for _ in range(2):
            below: list[str] = []
            for folder in folders:
                for path in _entries(folder):
                    with unless_removed(path):
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


def read_mounts() -> list[tuple[str, str]]:
    """Returns the mount points of the present mount namespace, with the types of their file systems (mountinfo of
    proc(5))."""
    with open("/proc/self/mountinfo", "rb", buffering=0) as file:
        lines = [line.split(b" ") for line in file.read().splitlines()]
    return [(unescaped(fields[4]), fields[fields.index(b"-", 6) + 1].decode()) for fields in lines]


def unescaped(field: bytes) -> str:
    """Returns a path of mountinfo, which has spaces and a few other bytes as three octal digits. (The codec
    unicode_escape would be imported anew in each container's process: 1 ms.)"""
    first, *rest = field.split(b"\\")
    return os.fsdecode(first + b"".join(bytes((int(part[:3], 8),)) + part[3:] for part in rest))


def is_kernel(kind: str) -> bool:
    """Returns True for the type of a file system that is the kernel's knobs."""
    return kind in _KERNEL


def _opened(path: str) -> contextlib.AbstractContextManager[int]:
    return closing(os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC))


def _bind(source: str, target: str, *, read_only: bool = True) -> None:
    with _opened(source) as fd, _opened(target) as at:
        tree = fsfd.open_tree(fd)
        fsfd.set_attributes(tree, _ATTRIBUTES if read_only else NO_TRUST)
        attach(tree, at)


def _touch(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644))
