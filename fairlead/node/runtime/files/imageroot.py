"""The root file system of an image: its layers, and the container's own directory above them.

An overlay, which a user namespace may mount since Linux 5.11. If the kernel or the file system refuses it, the layers
are copied into the container's directory. Layers are read by many containers at once, so nothing here writes to them.
Runs in a forked child of the zygote, before the container has a process: standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence

from fairlead.net import linux
from fairlead.net.linux import MS_BIND, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, MS_REMOUNT
from fairlead.node.runtime.protocol.containerspec import ImageRoot

OPAQUE = "user.overlay.opaque"
_CHUNK = 1 << 20


def mount_image(root: ImageRoot, bundle: str, *, flags: int) -> None:
    """Mounts the image on the bundle directory, writable, with flags MS_*."""
    upper = f"{root.writable}/upper"
    if root.layers:
        try:
            mount_overlay(root.layers, upper, f"{root.writable}/work", bundle, flags=flags)
        except OSError as error:
            os.write(2, f"copying an image's layers instead of an overlay: {error}\n".encode())  # the zygote's log
            for layer in root.layers:
                _Copy().directory(layer, upper)
        else:
            return
    linux.mount(upper, bundle, None, MS_BIND)
    linux.mount(None, bundle, None, MS_REMOUNT | MS_BIND | flags)


def mount_overlay(
    lower: Sequence[str], upper: str, work: str, target: str, *, flags: int = MS_NOSUID | MS_NODEV
) -> None:
    """Mounts an overlay of directories, the lowest first."""
    with _opened([*reversed(lower), upper, work]) as (*layers, upper, work):
        # volatile: no sync when it ends; what a container writes beside its volumes does not outlive it.
        options = f"lowerdir={':'.join(layers)},upperdir={upper},workdir={work},userxattr,volatile"
        linux.mount("overlay", target, "overlay", flags, options)


def mount_layers(layers: Sequence[str], target: str) -> None:
    """Mounts directories, the lowest first, read-only and without execution on one of the host. Raises OSError."""
    flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC
    if len(layers) == 1:  # an overlay needs two
        linux.mount(layers[0], target, None, MS_BIND)
        linux.mount(None, target, None, MS_REMOUNT | MS_BIND | flags)
        return
    with _opened([*reversed(layers)]) as names:
        linux.mount("overlay", target, "overlay", flags, f"lowerdir={':'.join(names)},userxattr")


@contextlib.contextmanager
def _opened(paths: Sequence[str]) -> Iterator[list[str]]:
    """Yields names of directories by descriptors: short, and without the characters that separate options."""
    fds: list[int] = []
    try:
        for path in paths:
            fds.append(os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))  # noqa: PERF401 -- closed on failure
        yield [f"/proc/self/fd/{fd}" for fd in fds]
    finally:
        for fd in fds:
            os.close(fd)


def is_opaque(path: str) -> bool:
    """Returns True for a directory of a layer that hides what lower layers have at its place."""
    try:
        return os.getxattr(path, OPAQUE) == b"y"
    except OSError:  # without the attribute, or without attributes at all
        return False


def copy_directory(source: str, target: str) -> None:
    """Copies a directory with all that it contains into an empty one."""
    _Copy().directory(source, target)


class _Copy:
    """Copies one layer over what the target has."""

    def __init__(self) -> None:
        self._linked: dict[tuple[int, int], str] = {}
        """The copies of files with several names, by device and inode."""

    def directory(self, source: str, target: str) -> None:
        if is_opaque(source):
            for name in os.listdir(target):
                remove(f"{target}/{name}")
        for entry in os.scandir(source):
            self._entry(entry, f"{target}/{entry.name}")
        _copy_status(os.stat(source), target)

    def _entry(self, entry: os.DirEntry[str], target: str) -> None:
        status = entry.stat(follow_symlinks=False)
        kind = status.st_mode
        if stat.S_ISDIR(kind):
            if not os.path.isdir(target) or os.path.islink(target):
                remove(target)
                os.mkdir(target)
            self.directory(entry.path, target)
            return
        remove(target)
        if stat.S_ISLNK(kind):
            os.symlink(os.readlink(entry.path), target)
            _copy_status(status, target)
        elif stat.S_ISFIFO(kind):
            os.mkfifo(target)
            _copy_status(status, target)
        elif stat.S_ISREG(kind):
            self._file(entry.path, status, target)
        # A character device is a whiteout: the removal is all.

    def _file(self, source: str, status: os.stat_result, target: str) -> None:
        known = self._linked.get((status.st_dev, status.st_ino))
        if known is not None:
            os.link(known, target)
            return
        if status.st_nlink > 1:
            self._linked[status.st_dev, status.st_ino] = target
        copy_file(source, target)
        _copy_status(status, target)


def copy_file(source: str, target: str) -> None:
    """Copies the bytes in the kernel, or shares them, if the file system can."""
    with open(source, "rb", 0) as read, open(target, "xb", 0) as write:
        try:
            while os.copy_file_range(read.fileno(), write.fileno(), 1 << 30):
                pass
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            while data := read.read(_CHUNK):
                write.write(data)


def _copy_status(status: os.stat_result, target: str) -> None:
    with contextlib.suppress(PermissionError):
        os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(target, stat.S_IMODE(status.st_mode))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)


def remove(path: str) -> None:
    """Removes a file or a directory with all that it contains, if it is there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except (IsADirectoryError, PermissionError):
        for name in os.listdir(path):
            remove(f"{path}/{name}")
        os.rmdir(path)
