"""The system calls that Python lacks, through libc: namespaces, mounts, prctl, sethostname.

All raise OSError. `unshare(CLONE_NEWUSER)` and a `setns` into a user namespace need a single-threaded process;
for `CLONE_NEWNET` use a short-lived thread (`in_thread`), so that the caller stays where it is.
"""

from __future__ import annotations

import ctypes
import os
import struct
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

R = TypeVar("R")

_libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_MOVE, MS_REC = 32, 4096, 8192, 16384
MS_PRIVATE, MS_SLAVE = 1 << 18, 1 << 19
MNT_DETACH = 2

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NAME, PR_SET_NO_NEW_PRIVS, PR_SET_CHILD_SUBREAPER = 1, 4, 15, 38, 36
PR_SET_KEEPCAPS = 8

_SYS_PIVOT_ROOT, _SYS_MOUNT_SETATTR = 155, 442  # x86-64; pivot_root is 41 on arm64
if os.uname().machine == "aarch64":
    _SYS_PIVOT_ROOT = 41
_AT_RECURSIVE, _MOUNT_ATTR_RDONLY = 0x8000, 1


def _check(result: int, what: str) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def trim_heap() -> None:
    """Returns freed memory to the kernel, such as that needed only at the start (malloc_trim(3), glibc alone)."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)


def unshare(flags: int) -> None:
    _check(_libc.unshare(flags), "unshare")


def setns(fd: int, flags: int = 0) -> None:
    _check(_libc.setns(fd, flags), "setns")


def mount(source: str | None, target: str, fstype: str | None, flags: int = 0, data: str | None = None) -> None:
    def encoded(text: str | None) -> bytes | None:
        return None if text is None else os.fsencode(text)

    result = _libc.mount(encoded(source), encoded(target), encoded(fstype), ctypes.c_ulong(flags), encoded(data))
    _check(result, f"mount {fstype or source} on {target}")


def umount(target: str, flags: int = MNT_DETACH) -> None:
    _check(_libc.umount2(os.fsencode(target), flags), f"umount {target}")


def set_read_only(target: str) -> None:
    """Makes a mount and all below it read-only (mount_setattr(2), Linux 5.12), leaving locked flags as they are."""
    attr = struct.pack("QQQQ", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    result = _libc.syscall(
        ctypes.c_long(_SYS_MOUNT_SETATTR),
        -100,
        os.fsencode(target),
        _AT_RECURSIVE,
        attr,
        ctypes.c_size_t(len(attr)),
    )
    _check(result, f"mount_setattr {target}")


def pivot_root(new_root: str) -> None:
    """Makes `new_root` (a mount point) the root and drops the old one."""
    os.chdir(new_root)
    _check(_libc.syscall(ctypes.c_long(_SYS_PIVOT_ROOT), b".", b"."), f"pivot_root {new_root}")
    umount(".")
    os.chdir("/")


def mount_namespace(pid: int) -> int:
    """Returns the inode of a process's mount namespace; 0 if the process has ended."""
    try:
        return os.stat(f"/proc/{pid}/ns/mnt").st_ino
    except OSError:
        return 0


def prctl(option: int, value: int) -> None:
    zero = ctypes.c_ulong(0)
    _check(_libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero), f"prctl {option}")


def set_process_name(name: str) -> None:
    """Sets the name that `ps` and `top` show (at most 15 bytes are kept)."""
    buffer = ctypes.create_string_buffer(name.encode()[:15])
    zero = ctypes.c_ulong(0)
    _libc.prctl(PR_SET_NAME, ctypes.cast(buffer, ctypes.c_void_p), zero, zero, zero)


def sethostname(name: str) -> None:
    raw = name.encode()
    _check(_libc.sethostname(raw, len(raw)), "sethostname")


def put(path: str, text: str) -> None:
    """Writes to /proc or /sys in one system call and reports the error (a buffered file may swallow it)."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def ended_children() -> Iterator[tuple[int, int]]:
    """Yields pid and wait status of each child that has ended by now, without waiting."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status


def in_thread(call: Callable[[], R]) -> R:
    """Runs `call` in a short-lived thread and returns its result or raises its error."""
    results: list[R] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as e:  # noqa: BLE001 - handed to the caller, whatever it is
            errors.append(e)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def in_netns(fd: int, call: Callable[[], R]) -> R:
    """Runs `call` inside the network namespace behind `fd`; sockets it opens stay there."""

    def run() -> R:
        setns(fd, CLONE_NEWNET)
        return call()

    return in_thread(run)


def new_netns(call: Callable[[], R] | None = None) -> tuple[int, R | None]:
    """Returns a new network namespace as a file descriptor (close-on-exec); `call` runs inside it first."""

    def run() -> tuple[int, R | None]:
        unshare(CLONE_NEWNET)
        fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        return fd, call() if call else None

    return in_thread(run)
