"""Opens paths of which a pod, or another user of the host, may exchange parts at any moment.

What must stay true: a path is resolved once, and only the resulting descriptor is checked, changed or mounted. The
kernel resolves (openat2, Linux 5.6). If openat2 is missing or blocked, and if something has to be made on the way,
`walk` opens name by name without following links and follows the links by hand. Standard library only.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from collections.abc import Callable

from fairlead.net import fsfd

Make = Callable[[int, str, bool], int]
"""Makes a missing name in a directory (a descriptor); the flag: it is the path's last. Returns the directory, or
the descriptor of one that has been mounted over it."""

_NAME_ONLY = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MAX_LINKS = 40  # as the kernel has it (path_resolution(7))
_MISSING = frozenset((errno.ENOSYS, errno.EPERM))


class PathProblem(Exception):
    """The path may not be used; the text is for the pod's events."""


class PathOutsideRoot(PathProblem):
    """The path leads out of the directory in which it must stay."""


def open_inside(root: int, path: str, *, chroot: bool = False) -> int:
    """Returns an O_PATH descriptor of `path` below `root`. Links are followed if they stay inside; with `chroot`
    an absolute link and `..` at the top mean `root`. Raises PathOutsideRoot, and OSError."""
    rule = fsfd.RESOLVE_IN_ROOT if chroot else fsfd.RESOLVE_BENEATH
    try:
        return fsfd.openat2(root, path or ".", os.O_PATH | os.O_CLOEXEC, rule | fsfd.RESOLVE_NO_MAGICLINKS)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise PathOutsideRoot(path) from error
        if error.errno not in _MISSING:
            raise
    return walk(root, path, chroot=chroot)


def read_file(path: str, longest: int) -> bytes:
    """Returns the start of a regular file below the present root; empty if it is missing or something else. Links of
    /proc lead out of the root for a process that still has its rights: they are not followed."""
    try:
        fd = _open_to_read(os.path.join(os.getcwd(), path))
    except OSError:
        return b""
    try:
        return os.read(fd, longest) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
    finally:
        os.close(fd)


def _open_to_read(path: str) -> int:
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # an open would wait at a pipe
    fds = [os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)]
    try:
        try:
            return fsfd.openat2(fds[0], path, flags, fsfd.RESOLVE_IN_ROOT | fsfd.RESOLVE_NO_MAGICLINKS)
        except OSError as error:
            if error.errno not in _MISSING:
                raise
        fds.append(walk(fds[0], path, chroot=True))
        fd = os.open(f"/proc/self/fd/{fds[1]}", flags)
        if not os.path.samestat(os.fstat(fd), os.fstat(fds[1])):  # the container has exchanged /proc
            fds.append(fd)
            raise FileNotFoundError(errno.ENOENT, "not the file that was checked", path)
        return fd
    finally:
        _close(fds, keep=0)


def change_directory(path: str) -> None:
    """Makes a directory below the present root the working directory. A container can exchange it for a link, and those
    in /proc lead out of the root for a process that still has its rights (as in CVE-2024-21626). Raises OSError."""
    fds = [os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)]
    try:
        fds.append(open_inside(fds[0], path, chroot=True))
        os.fchdir(fds[1])
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), path) from error
    finally:
        _close(fds, keep=0)


def walk(root: int, path: str, *, chroot: bool = False, make: Make | None = None) -> int:
    """Opens like `open_inside`, but name by name; `make` creates missing names."""
    opened = [os.dup(root)]
    parts = deque(parts_of(path))
    links = 0
    try:
        while parts:
            name = parts.popleft()
            if name == "..":
                _leave(opened, path, chroot)
                continue
            fd = _open(opened, name, make, last=not parts)
            if not stat.S_ISLNK(os.fstat(fd).st_mode):
                opened.append(fd)
                continue
            text = _text_of(fd)
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, f"too many links: {path}")
            if text.startswith("/"):
                if not chroot:
                    raise PathOutsideRoot(path)
                _close(opened, keep=1)
            parts.extendleft(reversed(parts_of(text)))
        return opened.pop()
    finally:
        _close(opened, keep=0)


def parts_of(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _open(opened: list[int], name: str, make: Make | None, *, last: bool) -> int:
    try:
        return os.open(name, _NAME_ONLY, dir_fd=opened[-1])
    except (FileNotFoundError, PermissionError):
        if make is None:
            raise
    folder = make(opened[-1], name, last)
    if folder != opened[-1]:
        os.close(opened[-1])
        opened[-1] = folder
    return os.open(name, _NAME_ONLY, dir_fd=opened[-1])


def _text_of(link: int) -> str:
    try:
        return os.readlink("", dir_fd=link)
    finally:
        os.close(link)


def _leave(opened: list[int], path: str, chroot: bool) -> None:
    """Handles `..`: returns to the directory that was opened before, even if the present one has been moved since."""
    if len(opened) > 1:
        os.close(opened.pop())
    elif not chroot:
        raise PathOutsideRoot(path)


def _close(opened: list[int], *, keep: int) -> None:
    while len(opened) > keep:
        os.close(opened.pop())
