"""The directory that a layer is unpacked into, by descriptors.

What must stay true: each step opens one name, and follows no link. Links that the layer has made itself are followed by
hand, as if the layer's directory were the root of the file system; a relative link that climbs out of it is refused.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections import OrderedDict
from collections.abc import Sequence

from fairlead.images.errors import LayerError

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN = 64
"""The number of directories that stay open: archives list the files of a directory together."""
_MAX_LINKS = 40
_DEEPEST = 200
"""The most directories above each other: their removal holds a descriptor for each."""
OPAQUE = "user.overlay.opaque"
"""The attribute of a directory that hides the same directory in the layers below (overlayfs, `userxattr`)."""


def parts_of(path: str) -> list[str]:
    """Returns the names of a path in the archive. Raises LayerError for a path that climbs."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in path:
        raise LayerError(f'the path "{path}" leads out of the layer')
    _check_depth(parts)
    return parts


def _check_depth(parts: Sequence[str]) -> None:
    if len(parts) > _DEEPEST:
        raise LayerError(f"a path has more than {_DEEPEST} parts: {'/'.join(parts)[:60]}…")


class LayerTree:
    """The directories of one layer. Close it after use."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._open: OrderedDict[tuple[str, ...], int] = OrderedDict()
        self._stale: list[int] = []
        """Descriptors that may be of another directory than their path now: valid until the next `directory`."""

    def close(self) -> None:
        self._forget()
        self._close_stale()

    def _forget(self) -> None:
        self._stale += self._open.values()
        self._open.clear()

    def _close_stale(self) -> None:
        for fd in self._stale:
            os.close(fd)
        self._stale.clear()

    def directory(self, parts: Sequence[str], *, make: bool = True) -> int:
        """Returns the directory's descriptor, which stays this object's, and makes what is missing. The two latest
        are valid."""
        self._close_stale()
        key = tuple(parts)
        if not key:
            return self._root
        known = self._open.get(key)
        if known is not None:
            self._open.move_to_end(key)
            return known
        fd = self._walk(list(parts), make=make)
        self._open[key] = fd
        if len(self._open) > _OPEN:
            os.close(self._open.popitem(last=False)[1])
        return fd

    def _walk(self, parts: list[str], *, make: bool) -> int:
        path, done, links = "/".join(parts), list[str](), 0
        fd = os.dup(self._root)
        try:
            while parts:
                name = parts.pop(0)
                try:
                    below = self._step(fd, name, make=make)
                    done.append(name)
                except NotADirectoryError:
                    links += 1
                    if links > _MAX_LINKS:
                        raise LayerError(f'the path "{path}" has too many links') from None
                    parts, done = [*_linked(done, _target_of(fd, name, path), path), *parts], []
                    _check_depth(parts)
                    below = os.dup(self._root)
                os.close(fd)
                fd = below
        except BaseException:
            os.close(fd)
            raise
        return fd

    def _step(self, folder: int, name: str, *, make: bool) -> int:
        try:
            return os.open(name, DIRECTORY, dir_fd=folder)
        except FileNotFoundError:
            if not make:
                raise
        except NotADirectoryError:
            if not (make and is_whiteout(folder, name)):
                raise
            os.unlink(name, dir_fd=folder)
            return _new_directory(folder, name, opaque=True)
        return _new_directory(folder, name, opaque=False)

    def make_directory(self, folder: int, name: str) -> int:
        """Returns a new descriptor of the directory; what has the name and is not a directory is replaced."""
        try:
            return os.open(name, DIRECTORY, dir_fd=folder)
        except FileNotFoundError:
            return _new_directory(folder, name, opaque=False)
        except NotADirectoryError:
            hidden = is_whiteout(folder, name)
            self.remove(folder, name)
            return _new_directory(folder, name, opaque=hidden)

    def remove(self, folder: int, name: str) -> None:
        """Removes what has the name."""
        try:
            os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return
        except (IsADirectoryError, PermissionError):
            remove_tree(folder, name)
        self._forget()  # the name may have been a directory, or a link to one


def remove_tree(folder: int, name: str) -> None:
    """Removes a directory with all that it contains. Its own modes do not stop its owner."""
    try:
        fd = os.open(name, DIRECTORY, dir_fd=folder)
    except PermissionError:
        os.chmod(name, 0o700, dir_fd=folder)
        fd = os.open(name, DIRECTORY, dir_fd=folder)
    try:
        with contextlib.suppress(PermissionError):
            os.fchmod(fd, 0o700)
        with os.scandir(fd) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for below, directory in found:
            if directory:
                remove_tree(fd, below)
            else:
                os.unlink(below, dir_fd=fd)
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=folder)


def is_whiteout(folder: int, name: str) -> bool:
    """Returns True for the character device 0/0, which hides the name in the layers below (overlayfs)."""
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _new_directory(folder: int, name: str, *, opaque: bool) -> int:
    os.mkdir(name, 0o755, dir_fd=folder)
    fd = os.open(name, DIRECTORY, dir_fd=folder)
    try:
        if opaque:
            set_opaque(fd)
    except BaseException:
        os.close(fd)
        raise
    return fd


def set_opaque(directory: int) -> None:
    try:
        os.setxattr(directory, OPAQUE, b"y")
    except OSError as error:
        raise LayerError(f"the file system of the image store lacks extended attributes: {error.strerror}") from error


def _target_of(folder: int, name: str, path: str) -> str:
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError as error:
        raise LayerError(f'the path "{path}" leads through "{name}", which is not a directory') from error


def _linked(folder: Sequence[str], target: str, path: str) -> list[str]:
    """Returns the path from the layer's root to which a link in `folder` leads."""
    parts = [] if target.startswith("/") else list(folder)
    for part in target.split("/"):
        if part == ".." and not parts:
            raise LayerError(f'the path "{path}" leads out of the layer through the link "{target}"')
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return parts
