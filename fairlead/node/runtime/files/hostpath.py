"""Opens the host paths of a container's volume mounts: hostPath volumes and subPaths, as descriptors.

The agent opens them first, for an error that the pod's events can show, and closes them again. The container's own
process opens them anew and mounts the opened descriptors: paths that were exchanged in between are checked once more.
Standard library only, because the zygote imports this module.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Sequence

from fairlead.net import fsfd
from fairlead.node.runtime.files.safepath import PathOutsideRoot, PathProblem, open_inside, parts_of, walk
from fairlead.node.runtime.protocol.containerspec import Mount

NODE_ROOT = "machine"
"""The folder, in a node's state, with what the node has instead of the machine's files."""
LOG = "/var/log"
POD_LOGS, CONTAINER_LOGS = f"{LOG}/pods", f"{LOG}/containers"
"""The folders in the node's /var/log that the node writes, read-only in containers."""

_CHECKS: dict[str, tuple[Callable[[int], bool], str]] = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "DirectoryOrCreate": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "FileOrCreate": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket file"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}
_MADE = ("", "DirectoryOrCreate", "FileOrCreate")
"""Types that create a missing path. Without a type the container runtime creates it: a directory, as containerd
does."""
_INHERITED_MODE = 0o2777
"""A new subPath gets its parent's mode, and its group if the parent has setgid."""


def open_source(mount: Mount, hidden: Sequence[str], node_root: str = "") -> int:
    """Returns an O_PATH descriptor of the source of a bind mount, or of the sub-path below it."""
    path, kind = mount.source, mount.host_path_type
    flags = os.O_PATH | os.O_CLOEXEC
    volume = os.open(path, flags) if kind is None else open_host_path(path, kind, hidden, node_root)
    if not mount.sub_path:
        return volume
    try:
        fd = open_sub_path(volume, mount.sub_path)
    finally:
        os.close(volume)
    if kind is not None and not _root_of(path, node_root):
        try:
            refuse_hidden(fd, hidden, f"subPath {mount.sub_path}")
        except PathProblem:
            os.close(fd)
            raise
    return fd


def _root_of(path: str, node_root: str) -> str:
    """Returns the node's folder if a host path lies in it, else an empty text: /var/log is the node's, but not the
    files in it that only the machine has."""
    parts = parts_of(path)
    if not node_root or parts[:2] != parts_of(LOG):
        return ""
    machine = parts[2:3] not in (["pods"], ["containers"]) and os.path.exists(path)
    return "" if machine and not os.path.lexists(node_root + "/" + "/".join(parts)) else node_root


def open_host_path(path: str, kind: str, hidden: Sequence[str], node_root: str = "") -> int:
    """Returns an O_PATH descriptor of a hostPath; creates the path if its type says so. `hidden`: real paths.
    `node_root`: the folder with the node's /var/log; empty: /var/log is the machine's."""
    if own := _root_of(path, node_root):
        hidden = ()  # the path is resolved inside this folder, which is itself hidden
    root = os.open(own or "/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = _open_or_make(root, path, kind, hidden)
    finally:
        os.close(root)
    try:
        refuse_hidden(fd, hidden, f"hostPath {path}")
        check, what = _CHECKS.get(kind, (None, ""))
        if check is not None and not check(os.fstat(fd).st_mode):
            raise PathProblem(f"hostPath type check failed: {path} is not {what}")
    except BaseException:
        os.close(fd)
        raise
    return fd


def _open_or_make(root: int, path: str, kind: str, hidden: Sequence[str]) -> int:
    def make(folder: int, name: str, last: bool) -> int:
        refuse_hidden(folder, hidden, f"hostPath {path}")
        if kind != "FileOrCreate":
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=folder)
        elif last:
            with contextlib.suppress(FileExistsError):
                os.mknod(name, stat.S_IFREG | 0o644, dir_fd=folder)  # an open would wait at a pipe
        return folder

    try:
        return open_inside(root, path, chroot=True)
    except FileNotFoundError as error:
        if kind not in _MADE:
            what = _CHECKS[kind][1] if kind in _CHECKS else "there"
            raise PathProblem(f"hostPath type check failed: {path} is not {what}") from error
    return walk(root, path, chroot=True, make=make)


def refuse_hidden(fd: int, hidden: Sequence[str], what: str) -> None:
    """Raises PathProblem if the open file is a hidden path or lies below one."""
    real = fsfd.path_of(fd)
    if any(real == path or real.startswith(path + "/") for path in hidden):
        raise PathProblem(f"{what} is in a directory that pods may not see")


def open_sub_path(volume: int, path: str) -> int:
    """Returns an O_PATH descriptor of a place inside a volume; makes directories that are missing."""
    if path.startswith("/"):
        raise PathProblem(f"error SubPath `{path}` must not be an absolute path")
    if ".." in parts_of(path):
        raise PathProblem(f"unable to provision SubPath `{path}`: must not contain '..'")
    try:
        try:
            return open_inside(volume, path)
        except FileNotFoundError:
            return walk(volume, path, make=_make_like_parent)
    except PathOutsideRoot as error:
        raise PathProblem(f"subPath {path} leaves its volume") from error


def _make_like_parent(folder: int, name: str, _last: bool) -> int:
    try:
        os.mkdir(name, 0o700, dir_fd=folder)
    except FileExistsError:
        return folder
    made = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fchmod(made, os.fstat(folder).st_mode & _INHERITED_MODE)
    finally:
        os.close(made)
    return folder
