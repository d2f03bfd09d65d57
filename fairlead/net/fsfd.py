"""System calls on files and mounts by descriptor: openat2, open_tree, fsmount, move_mount, mount_setattr, setfsuid.

A path that is checked by name and opened again by name can be exchanged in between (CVE-2021-25741,
CVE-2021-30465). These calls name files by descriptors, so that what was checked is what is mounted.
The numbers are the same on every architecture. All raise OSError.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import struct
from collections.abc import Iterator, Mapping

RESOLVE_NO_MAGICLINKS, RESOLVE_BENEATH, RESOLVE_IN_ROOT = 0x02, 0x08, 0x10
ATTR_READ_ONLY, ATTR_NO_SUID, ATTR_NO_DEV, ATTR_NO_EXEC = 1, 2, 4, 8

_SYS_OPEN_TREE, _SYS_MOVE_MOUNT, _SYS_FSOPEN, _SYS_FSCONFIG, _SYS_FSMOUNT = 428, 429, 430, 431, 432
_SYS_OPENAT2, _SYS_MOUNT_SETATTR = 437, 442
_FSCONFIG_SET_STRING, _FSCONFIG_CMD_CREATE = 1, 6
_AT_EMPTY_PATH, _AT_RECURSIVE = 0x1000, 0x8000
_OPEN_TREE_CLONE = 1
_FROM_EMPTY_PATH, _TO_EMPTY_PATH = 0x04, 0x40
_TRIES = 128
"""openat2 answers EAGAIN if something was renamed while it resolved a `..`."""

_libc = ctypes.CDLL(None, use_errno=True)


def _call(what: str, number: int, *args: int | bytes | ctypes.Array[ctypes.c_char] | None) -> int:
    numbers = (ctypes.c_long(a) if isinstance(a, int) else a for a in args)
    result: int = _libc.syscall(ctypes.c_long(number), *numbers)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")
    return result


def openat2(folder: int, path: str, flags: int, resolve: int) -> int:
    """Opens `path` below `folder` under the RESOLVE_* rules (Linux 5.6)."""
    how = ctypes.create_string_buffer(struct.pack("QQQ", flags, 0, resolve), 24)
    for _ in range(_TRIES):
        try:
            return _call(f"openat2 {path}", _SYS_OPENAT2, folder, os.fsencode(path), how, 24)
        except BlockingIOError:
            continue
    raise OSError(errno.EAGAIN, f"openat2 {path}: renamed again and again")


def open_tree(fd: int) -> int:
    """Returns a detached copy of the mount at `fd` with all mounts below it (Linux 5.2)."""
    flags = _OPEN_TREE_CLONE | _AT_EMPTY_PATH | _AT_RECURSIVE | os.O_CLOEXEC
    return _call("open_tree", _SYS_OPEN_TREE, fd, b"", flags)


def new_mount(kind: str, options: Mapping[str, str], attributes: int) -> int:
    """Returns a new, detached file system (Linux 5.2), with ATTR_* on its mount."""
    context = _call(f"fsopen {kind}", _SYS_FSOPEN, kind.encode(), 1)
    try:
        for key, value in options.items():
            _call(
                f"{kind} {key}={value}", _SYS_FSCONFIG, context, _FSCONFIG_SET_STRING, key.encode(), value.encode(), 0
            )
        _call(f"make {kind}", _SYS_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0)
        return _call(f"fsmount {kind}", _SYS_FSMOUNT, context, 1, attributes)
    finally:
        os.close(context)


def set_attributes(fd: int, attributes: int, *, recursive: bool = True) -> None:
    """Sets ATTR_* on the mount at `fd` and, if recursive, all mounts below it (Linux 5.12)."""
    attr = ctypes.create_string_buffer(struct.pack("QQQQ", attributes, 0, 0, 0), 32)
    flags = _AT_EMPTY_PATH | (_AT_RECURSIVE if recursive else 0)
    _call("mount_setattr", _SYS_MOUNT_SETATTR, fd, b"", flags, attr, 32)


def move_mount(tree: int, target: int) -> None:
    """Attaches a detached tree at `target` (Linux 5.2)."""
    _call("move_mount", _SYS_MOVE_MOUNT, tree, b"", target, b"", _FROM_EMPTY_PATH | _TO_EMPTY_PATH)


def path_of(fd: int) -> str:
    """Returns the file's name as the kernel has it now."""
    return os.readlink(f"/proc/self/fd/{fd}")


@contextlib.contextmanager
def file_access_as(uid: int, gid: int) -> Iterator[None]:
    """Opens files as another user, without root's override, until the block ends.

    Needs root's rights and a process without supplementary groups: the kernel removes CAP_DAC_OVERRIDE and similar
    capabilities while the fsuid is not 0.
    """
    _libc.setfsgid(ctypes.c_uint(gid))
    _libc.setfsuid(ctypes.c_uint(uid))
    try:
        if _libc.setfsuid(ctypes.c_uint(uid)) != uid:
            raise OSError(errno.EINVAL, f"setfsuid {uid}: not mapped")
        yield
    finally:
        _libc.setfsuid(ctypes.c_uint(0))
        _libc.setfsgid(ctypes.c_uint(0))
