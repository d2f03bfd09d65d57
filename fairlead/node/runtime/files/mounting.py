"""Mounts on descriptors, and places to mount on that are made if they are missing.

Standard library only: this runs in a forked child of the zygote.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from fairlead.net import fsfd
from fairlead.net.fsfd import ATTR_NO_DEV, ATTR_NO_EXEC, ATTR_NO_SUID
from fairlead.node.runtime.files.safepath import open_inside, walk

NO_TRUST = ATTR_NO_DEV | ATTR_NO_SUID
_NO_ROOM = frozenset((errno.EROFS, errno.EACCES, errno.EPERM))


@contextlib.contextmanager
def closing(fd: int) -> Iterator[int]:
    try:
        yield fd
    finally:
        os.close(fd)


def attach(tree: int, at: int) -> None:
    with closing(tree):
        fsfd.move_mount(tree, at)


def cover(root: int, path: str) -> None:
    """Covers a directory below `root` with an empty one, or a file with /dev/null."""
    with closing(open_inside(root, path, chroot=True)) as at:
        if stat.S_ISDIR(os.fstat(at).st_mode):
            options = {"mode": "755", "size": "64k"}
            attach(fsfd.new_mount("tmpfs", options, NO_TRUST | ATTR_NO_EXEC), at)
        else:
            with closing(os.open("/dev/null", os.O_PATH | os.O_CLOEXEC)) as null:
                attach(fsfd.open_tree(null), at)


def place(root: int, target: str, *, directory: bool) -> int:
    """Returns an O_PATH descriptor of the container's path `target`; follows links as the container would, and creates
    the path if it is missing."""

    def make(folder: int, name: str, last: bool) -> int:
        kind = make_directory if directory or not last else make_file
        try:
            kind(folder, name)
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            folder = _mimic(folder)
            kind(folder, name)
        return folder

    return walk(root, target, chroot=True, make=make)


def make_directory(folder: int, name: str) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, dir_fd=folder)


def make_file(folder: int, name: str) -> None:
    """Makes a file with mknod, which opens nothing: an open would block forever if the name had become a pipe."""
    with contextlib.suppress(FileExistsError):
        os.mknod(name, stat.S_IFREG | 0o644, dir_fd=folder)


def _mimic(below: int) -> int:
    """Covers a read-only directory with a tmpfs that shows the same entries and has room for more; returns it."""
    mode = stat.S_IMODE(os.fstat(below).st_mode) | 0o700
    above = fsfd.new_mount("tmpfs", {"mode": f"{mode:o}", "size": "1m"}, NO_TRUST)
    fsfd.move_mount(above, below)
    for name in _names(below):
        try:
            fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=below)
        except (PermissionError, FileNotFoundError):
            continue
        with closing(fd) as old:
            kind = os.fstat(old).st_mode
            if stat.S_ISLNK(kind):
                os.symlink(os.readlink("", dir_fd=old), name, dir_fd=above)
                continue
            (make_directory if stat.S_ISDIR(kind) else make_file)(above, name)
            with closing(os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)) as new:
                attach(fsfd.open_tree(old), new)
    return above


def _names(folder: int) -> list[str]:
    """Returns the directory's entries; empty if they may not be listed."""
    try:
        with closing(os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)) as listed:
            return sorted(os.listdir(listed))
    except PermissionError:
        return []
