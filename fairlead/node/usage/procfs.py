"""Reads what processes have used from /proc (proc(5)).

The processes of a container are those in its mount namespace: it identifies them also if two containers share a process
namespace, and if a program was started by exec. Control groups would be exact, but an ordinary user lacks them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection

from fairlead.net.linux import mount_namespace
from fairlead.node.usage.model import Usage

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_FIRST_TIME = 11
"""Place of the first of four times after the name of the program: own user and system time, then those of children that
have ended and were waited for."""


def by_mount_namespace(wanted: Collection[int]) -> dict[int, Usage]:
    """Returns the usage of all processes in each of the mount namespaces."""
    found = dict.fromkeys(wanted, Usage())
    for name in os.listdir("/proc"):
        if name.isdecimal() and (inode := mount_namespace(int(name))) in found:
            found[inode] += of_process(int(name))
    return found


def resident_bytes(wanted: Collection[int]) -> dict[int, int]:
    """Returns the resident memory of all processes in each of the mount namespaces; shared pages count for each."""
    return _sums(wanted, _resident)


def unshared_bytes(wanted: Collection[int]) -> dict[int, int]:
    """Returns the anonymous and shared memory in each of the mount namespaces, without pages of files; what processes
    share is counted once."""
    return _sums(wanted, _unshared)


def _sums(wanted: Collection[int], measure: Callable[[int], int]) -> dict[int, int]:
    found = dict.fromkeys(wanted, 0)
    for name in os.listdir("/proc"):
        if name.isdecimal() and (inode := mount_namespace(int(name))) in found:
            found[inode] += measure(int(name))
    return found


def of_process(pid: int) -> Usage:
    """Returns the usage of a process; nothing if it has ended."""
    return Usage(_cpu_s(pid), _memory_bytes(pid))


def _cpu_s(pid: int) -> float:
    text = _read(f"/proc/{pid}/stat")
    fields = text.rpartition(") ")[2].split()
    return sum(map(int, fields[_FIRST_TIME : _FIRST_TIME + 4])) / _TICKS_PER_S


def _memory_bytes(pid: int) -> int:
    """Returns the proportional set size: memory that processes share is counted once for all of them."""
    for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return _resident(pid)


def _resident(pid: int) -> int:
    pages = _read(f"/proc/{pid}/statm").split()
    return int(pages[1]) * _PAGE_BYTES if pages else 0


def _unshared(pid: int) -> int:
    lines = _read(f"/proc/{pid}/smaps_rollup").splitlines()
    sizes = [int(line.split()[1]) * 1024 for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:"))]
    return sum(sizes) if lines else _resident(pid)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
