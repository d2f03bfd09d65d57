"""Runs `iptables-restore` and `iptables-save`, in the network namespace of the thread that made the object.

Each call starts a process. A small one takes 1.5 ms, from a process of any size, since Python starts it by vfork.
Rejected: a long-lived process that is fed through a pipe. The cost is in the kernel, and the program does not report
when it has finished.

Both variants of the programs are supported. Transactions of `nf_tables` are limited in size, and the kernel counts
them. Transactions of `legacy` are neither, and each change carries the whole table to the kernel and back. Legacy needs
a lock file. In namespaces of this cluster the lock file belongs to this process: an ordinary user may not write the
usual one, and nothing may be left on the machine.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fairlead.net import linux
from fairlead.net.iptables.model import (
    NFT_LIMIT,
    TABLES,
    IptablesError,
    Restore,
    Saved,
    TooLarge,
    Unavailable,
    parse_counts,
    parse_save,
)
from fairlead.net.nft.batch import NftSocket

_WAIT_S = 5
"""Seconds to wait for the lock if another process holds it."""
_TRY_S, _TRIES = 0.01, 3000
"""Seconds between tries, and their number, to wait for a program left behind by another process; it ends by itself."""
_LOCK = "/run/xtables.lock"
_FIRST_USER_NAMESPACE = 0xEFFFFFFD
"""The kernel's PROC_USER_INIT_INO."""
_LEGACY_TABLES = "/proc/thread-self/net/{}_tables_names"
"""The tables that were used in the namespace. Without the kernel's module the file does not exist."""
_PATH = "/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin"
"""Directories searched for the programs after PATH: an ordinary user's PATH often lacks the `sbin`s."""
_LEAST = 20_000
_ERROR_TEXT = 400


def find(program: str) -> str:
    """Returns the path of a program. Raises Unavailable."""
    path = shutil.which(program) or shutil.which(program, path=_PATH)
    if path is None:
        raise Unavailable(f"{program} is missing: install iptables (as root: apt install iptables)")
    return path


@dataclass
class TransactionCount:
    """The number of transactions made by all objects that share this value: those of one network namespace, of either
    family."""

    own: int = 0


class IptablesKernel:
    """The rules of the kernel, changed by the iptables programs. `family`: `ip` or `ip6`.

    Make the object in its namespace: `linux.in_netns(fd, lambda: IptablesKernel("ip"))`. `kind` chooses the `nft` or
    the `legacy` programs; empty chooses the machine's `iptables`. The constructor raises Unavailable.
    """

    def __init__(self, family: str = "ip", *, kind: str = "", transactions: TransactionCount | None = None) -> None:
        self._family = family
        name = f"{family}tables{f'-{kind}' if kind else ''}"
        self._programs = {"change": find(name), "restore": find(f"{name}-restore"), "save": find(f"{name}-save")}
        self._netns = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._nft = "nf_tables" in _version(self._programs["restore"])
        self._nft_socket = NftSocket() if self._nft else None
        self._own_lock = -1 if self._nft or _shares_lock() else os.memfd_create("xtables.lock")
        self._limit = NFT_LIMIT
        self._transactions = transactions or TransactionCount()

    @property
    def limit(self) -> int | None:
        return self._limit if self._nft else None

    async def restore(self, restores: Sequence[Restore]) -> None:
        text = "".join(restore.render() for restore in restores)
        command = [self._programs["restore"], "--noflush", "--wait", str(_WAIT_S)]
        try:
            await asyncio.to_thread(self._run, command, text)
        except TooLarge:
            # The kernel has a smaller send buffer: send less at a time from now on.
            self._limit = max(self._limit // 2, _LEAST)
            raise
        self._transactions.own += len(restores)

    async def save(self) -> Mapping[str, Saved]:
        if not self._used():
            return {}
        # Reading also runs in the thread: 10,000 Services are 11 MB.
        tables = await asyncio.to_thread(lambda: parse_save(self._run([self._programs["save"]])))
        return {table: saved for table, saved in tables.items() if table in TABLES}

    def save_text(self) -> str:
        """Returns what the save program prints; empty if no table exists."""
        return self._run([self._programs["save"]]) if self._used() else ""

    def _used(self) -> bool:
        """Returns False if no table exists, as is usual at a start: then no program need run. A running program may be
        about to create a table."""
        try:
            return linux.in_netns(self._netns, lambda: not self._is_free() or self._has_tables())
        except OSError:
            return True

    def _has_tables(self) -> bool:
        if self._nft_socket is not None:
            return not self._nft_socket.tables(self._family).isdisjoint(TABLES)
        return bool(Path(_LEGACY_TABLES.format(self._family)).read_text())

    def _is_free(self) -> bool:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as lock:
            return self._acquire(lock)

    def _acquire(self, lock: socket.socket) -> bool:
        """Returns True if no program is at work: a running program holds a name in the network namespace, which is
        freed when it ends."""
        try:
            lock.bind(f"\0fairlead/{self._family}tables")
        except OSError as e:
            if e.errno != errno.EADDRINUSE:
                raise
            return False
        return True

    def packets(self, table: str, chain: str) -> Mapping[str, int]:
        # Not in a thread: the call takes 2 ms, and the chain has few rules. (10,000 Services of legacy take 0.3 s.)
        command = [
            self._programs["change"],
            "--wait",
            str(_WAIT_S),
            "--table",
            table,
            "--list-rules",
            chain,
            "--verbose",
        ]
        return parse_counts(self._run(command))

    def foreign(self) -> int | None:
        return None if self._nft_socket is None else self._nft_socket.generation() - self._transactions.own

    def close(self) -> None:
        if self._nft_socket is not None:
            self._nft_socket.close()
        for fd in (self._netns, self._own_lock):
            if fd >= 0:
                os.close(fd)

    def _run(self, command: Sequence[str], text: str = "") -> str:
        try:
            done = linux.in_netns(self._netns, lambda: self._in_turn(command, text))
        except OSError as e:
            raise Unavailable(f"cannot run {command[0]}: {e.strerror}") from e
        if done.returncode:
            raise _error(command[0], done.stderr.decode(errors="replace"))
        return done.stdout.decode(errors="replace")

    def _in_turn(self, command: Sequence[str], text: str) -> subprocess.CompletedProcess[bytes]:
        """Runs the command after a program left behind by an earlier process has ended: its later changes would not be
        seen."""
        if command[0] == self._programs["change"]:
            return self._start(command, text, ())
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as lock:
            for _ in range(_TRIES):
                if self._acquire(lock):
                    return self._start(command, text, (lock.fileno(),))
                time.sleep(_TRY_S)
        raise IptablesError(f"timed out: another {self._family}tables program is still running")

    def _start(self, command: Sequence[str], text: str, held: Sequence[int]) -> subprocess.CompletedProcess[bytes]:
        kept = [*held, *([self._own_lock] if self._own_lock >= 0 else [])]
        lock_file = {"XTABLES_LOCKFILE": f"/proc/self/fd/{self._own_lock}"} if self._own_lock >= 0 else {}
        # Sets a known language for messages, and passes none of our variables that the program could read as its
        # settings.
        environment = {"PATH": _PATH, "LC_ALL": "C"} | lock_file
        return subprocess.run(
            command, input=text.encode(), capture_output=True, check=False, env=environment, pass_fds=kept
        )


@cache
def _version(program: str) -> str:
    return subprocess.run([program, "--version"], capture_output=True, check=False, text=True).stdout


def _shares_lock() -> bool:
    """Returns True if the machine's usual lock must be used: on the machine's own network. In namespaces of this
    cluster no other program changes rules, and nothing may be left on the machine."""
    return os.stat("/proc/self/ns/user").st_ino == _FIRST_USER_NAMESPACE and _may_write(_LOCK)


def _may_write(path: str) -> bool:
    if os.path.exists(path):
        return os.access(path, os.R_OK | os.W_OK)
    return os.access(os.path.dirname(path), os.W_OK)


def _error(program: str, text: str) -> IptablesError:
    said = " ".join(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("Try `"))
    if "Message too long" in said:
        return TooLarge(f"{os.path.basename(program)}: {said[:_ERROR_TEXT]}")
    if "initialize" in said or "Protocol not supported" in said:
        return Unavailable(
            f"{os.path.basename(program)}: {said[:_ERROR_TEXT]} (load the module ip_tables or nf_tables)"
        )
    return IptablesError(f"{os.path.basename(program)}: {said[:_ERROR_TEXT]}")
