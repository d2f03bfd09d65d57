"""Unpacks one layer into its own directory: whiteouts become overlayfs's (a character device 0/0, which an
ordinary user may make since Linux 5.8, and the attribute `user.overlay.opaque`).

What must stay true: nothing is written outside of the directory, whatever the archive contains (`tree`), and nothing in
it gets a device, or an attribute that overlayfs or the kernel would believe. With one id, all files belong to the user.

Source: OCI image specification, `layer.md`. Rejected: `tarfile.extractall` with a filter, which resolves paths by name
and knows neither whiteouts nor attributes; the `tar` program, which knows no whiteouts either.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tarfile

from fairlead.base.dataclass import dataclass
from fairlead.images.errors import LayerError
from fairlead.images.layers.headers import members, pieces, regions
from fairlead.images.layers.stream import Unpacked
from fairlead.images.layers.tree import DIRECTORY, LayerTree, is_whiteout, parts_of, set_opaque

_WHITEOUT, _OPAQUE, _AUFS = ".wh.", ".wh..wh..opq", ".wh..wh."
_XATTR = "SCHILY.xattr."
_OVERLAY = ("user.overlay.", "trusted.overlay.")
_HARMLESS = {(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)}
"""null, zero, full, random, urandom, tty, console, ptmx: every container has its own in /dev."""
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a layer may contain."""

    entries: int = 1_000_000
    size: int = 64 << 30
    ratio: int = 200
    """Unpacked to packed size, above `small`. Deflate reaches 1,032; texts and programs stay below 20."""
    small: int = 1 << 30


class LayerUnpacker:
    """One unpacking into the directory `root` (a descriptor). `owners`: files get the owners that the layer names."""

    def __init__(self, root: int, *, owners: bool, limits: Limits) -> None:
        self._root = root
        self._tree = LayerTree(root)
        self._owners = owners
        self._limits = limits
        self._directories: dict[tuple[str, ...], tuple[int, float]] = {}
        """Modes and times, which are set at the end."""
        self._entries = 0
        self._size = 0

    def unpack(self, layer: Unpacked) -> int:
        """Unpacks everything and returns the size of the files. Raises LayerError."""
        try:
            for tar, member in members(layer):
                self._count(member, layer)
                self._entry(tar, member)
            layer.drain()
            self._finish_directories()
        except OSError as error:
            raise LayerError(f"the layer cannot be unpacked: {_explain(error)}") from error
        finally:
            self._tree.close()
        return self._size

    def _count(self, member: tarfile.TarInfo, layer: Unpacked) -> None:
        limits = self._limits
        self._entries += 1
        if member.isreg():
            self._size += sum(length for _, length in regions(member))
        if self._entries > limits.entries:
            raise LayerError(f"the layer has more than {limits.entries} entries")
        if self._size > limits.size:
            raise LayerError(f"the layer has more than {limits.size} bytes of files")
        if self._size > max(limits.small, limits.ratio * layer.packed):
            raise LayerError(f"the layer unpacks to more than {limits.ratio} times its size")

    def _entry(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        parts = parts_of(member.name)
        if not parts:
            self._directories[()] = member.mode & 0o7777, member.mtime
            return
        folder, name = self._tree.directory(parts[:-1]), parts[-1]
        if name.startswith(_WHITEOUT):
            self._whiteout(folder, name)
        elif member.isdir():
            self._directory(folder, parts, member)
        else:
            self._other(tar, member, folder, parts)

    def _whiteout(self, folder: int, name: str) -> None:
        if name == _OPAQUE:
            set_opaque(folder)
            return
        hidden = name.removeprefix(_WHITEOUT)
        if name.startswith(_AUFS):
            return  # the bookkeeping of AUFS
        if hidden in ("", ".", ".."):
            raise LayerError(f'invalid whiteout "{name}"')
        try:
            os.mknod(hidden, stat.S_IFCHR | 0o600, 0, dir_fd=folder)
        except FileExistsError:  # the layer's own file stays, and a directory hides those below it
            if stat.S_ISDIR(os.stat(hidden, dir_fd=folder, follow_symlinks=False).st_mode):
                self._set_opaque_below(folder, hidden)

    def _set_opaque_below(self, folder: int, name: str) -> None:
        fd = self._tree.make_directory(folder, name)
        try:
            set_opaque(fd)
        finally:
            os.close(fd)

    def _directory(self, folder: int, parts: list[str], member: tarfile.TarInfo) -> None:
        fd = self._tree.make_directory(folder, parts[-1])
        try:
            if self._owners:
                os.fchown(fd, member.uid, member.gid)
            self._attributes(fd, member)
        finally:
            os.close(fd)
        self._directories[tuple(parts)] = member.mode & 0o7777, member.mtime

    def _other(self, tar: tarfile.TarFile, member: tarfile.TarInfo, folder: int, parts: list[str]) -> None:
        name = parts[-1]
        if member.isdev() and not member.isfifo():
            _check_device(member, parts)
            return
        if member.islnk():
            self._link(member, folder, name)
            return
        self._tree.remove(folder, name)
        if member.issym():
            os.symlink(member.linkname, name, dir_fd=folder)
        elif member.isfifo():
            os.mkfifo(name, 0o600, dir_fd=folder)
        elif member.isreg():
            self._file(tar, member, folder, name)
            return
        else:
            raise LayerError(f'"{member.name}" is of a type that no container can have: {member.type!r}')
        if self._owners:
            os.chown(name, member.uid, member.gid, dir_fd=folder, follow_symlinks=False)
        if member.isfifo():
            os.chmod(name, member.mode & 0o7777, dir_fd=folder)
        _set_time(name, member.mtime, folder)

    def _file(self, tar: tarfile.TarFile, member: tarfile.TarInfo, folder: int, name: str) -> None:
        fd = os.open(name, _NEW_FILE, 0o600, dir_fd=folder)
        try:
            for offset, data in pieces(tar, member):
                _write_all(fd, data, offset)
            if member.issparse():
                os.ftruncate(fd, member.size)
            if self._owners:
                os.fchown(fd, member.uid, member.gid)
            self._attributes(fd, member)
            os.fchmod(fd, member.mode & 0o7777)  # after the owner, whose change clears setuid
            with contextlib.suppress(OverflowError):
                os.utime(fd, (member.mtime, member.mtime))
        finally:
            os.close(fd)

    def _link(self, member: tarfile.TarInfo, folder: int, name: str) -> None:
        target = parts_of(member.linkname)
        try:
            source = self._tree.directory(target[:-1], make=False)
            if not target or is_whiteout(source, target[-1]):
                raise FileNotFoundError
            status = os.stat(target[-1], dir_fd=source, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                raise LayerError(f'"{member.name}" is a hard link to a directory')
        except FileNotFoundError as error:
            raise LayerError(f'"{member.name}" is a hard link to "{member.linkname}", which the layer lacks') from error
        if not _same(source, target[-1], folder, name):
            self._tree.remove(folder, name)
            os.link(target[-1], name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)

    def _attributes(self, fd: int, member: tarfile.TarInfo) -> None:
        for key, value in member.pax_headers.items():
            if not key.startswith(_XATTR):
                continue
            name = key.removeprefix(_XATTR)
            if name.startswith(_OVERLAY):
                raise LayerError(f'"{member.name}" has the attribute {name}, which only overlayfs may set')
            # Capabilities of files need root; other name spaces and file systems may be missing.
            with contextlib.suppress(OSError):
                os.setxattr(fd, name, os.fsencode(value))

    def _finish_directories(self) -> None:
        """Sets modes and times last: a directory may be closed for its owner, and each entry changes its time."""
        deepest_first = sorted(self._directories, key=len, reverse=True)
        for parts in deepest_first:
            mode, modified = self._directories[parts]
            try:
                folder = self._tree.directory(parts[:-1], make=False)
                fd = os.open(parts[-1], DIRECTORY, dir_fd=folder) if parts else os.dup(folder)
            except (FileNotFoundError, NotADirectoryError, LayerError):
                continue  # replaced later in the layer
            try:
                os.fchmod(fd, mode)
                with contextlib.suppress(OverflowError):
                    os.utime(fd, (modified, modified))
            finally:
                os.close(fd)


def _check_device(member: tarfile.TarInfo, parts: list[str]) -> None:
    """Leaves out the devices that each container has anyway, and refuses others."""
    number = (member.devmajor, member.devminor)
    if parts[0] != "dev" and not (member.ischr() and number in _HARMLESS):
        raise LayerError(f'"{member.name}" is a device ({number[0]}:{number[1]})')


def _same(folder: int, name: str, other_folder: int, other: str) -> bool:
    """Returns True if both names are one file, which must not be removed to be linked to itself."""
    try:
        one = os.stat(name, dir_fd=folder, follow_symlinks=False)
        two = os.stat(other, dir_fd=other_folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (one.st_dev, one.st_ino) == (two.st_dev, two.st_ino)


def _write_all(fd: int, data: bytes, offset: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(fd, rest, offset)
        rest, offset = rest[written:], offset + written


def _set_time(name: str, modified: float, folder: int) -> None:
    with contextlib.suppress(OverflowError):
        os.utime(name, (modified, modified), dir_fd=folder, follow_symlinks=False)


def _explain(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "the disk is full"
    return f"{error.strerror or error}: {error.filename}" if error.filename else str(error)
