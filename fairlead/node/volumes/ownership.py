"""Gives the files of a volume to the pod's fsGroup, with the permissions that upstream's kubelet sets.

Pods may change the tree meanwhile, so each file is opened without following links, and changed by its descriptor.
With one id mapped there is only one group, and nothing to change.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

_FILE = 0o660
_FOLDER = 0o2770
_OPEN = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def give_to_group(root: str, group: int, *, only_if_root_differs: bool) -> None:
    """Changes group and mode of all files below the root. `only_if_root_differs` is the policy `OnRootMismatch`."""
    top = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if only_if_root_differs and _is_right(os.fstat(top), group):
            return
        try:
            os.fchown(top, -1, group)
        except OSError:  # EINVAL: the group is not mapped; EPERM: this process may not give it
            return
        for folder, name in _below(top):
            _give(folder, name, group)
        os.fchmod(top, stat.S_IMODE(os.fstat(top).st_mode) | _FOLDER)  # last: the mark that all is done
    finally:
        os.close(top)


def _is_right(status: os.stat_result, group: int) -> bool:
    return status.st_gid == group and status.st_mode & _FOLDER == _FOLDER


def _below(top: int) -> Iterator[tuple[int, str]]:
    """Yields a descriptor of the folder and the name of each file in the tree."""
    for _path, folders, files, folder in os.fwalk(".", dir_fd=top, follow_symlinks=False):
        for name in (*folders, *files):
            yield folder, name


def _give(folder: int, name: str, group: int) -> None:
    try:
        fd = os.open(name, _OPEN, dir_fd=folder)
    except FileNotFoundError:
        return
    try:
        path, mode = f"/proc/self/fd/{fd}", os.fstat(fd).st_mode
        os.chown(path, -1, group)
        if not stat.S_ISLNK(mode):
            os.chmod(path, stat.S_IMODE(mode) | (_FOLDER if stat.S_ISDIR(mode) else _FILE))
    finally:
        os.close(fd)
