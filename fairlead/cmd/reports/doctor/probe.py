"""Tries what a cluster does at its start, in new namespaces that end at once: nothing remains on the host."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any, NoReturn

from fairlead.cmd.errors import CommandError
from fairlead.cmd.process.enter import NAMESPACES, write_root_maps
from fairlead.cmd.process.preflight import check_ipv6, check_nftables, explain_namespaces
from fairlead.net import linux

Results = dict[str, str]
"""Errors by the names of attempts; empty texts for those that succeeded. `namespaces` always exists, and if it
failed, it is the only one."""


def attempt() -> Results:
    """Returns the results of all attempts."""
    ours, theirs = os.pipe()
    mapped, map_written = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(ours)
        os.close(map_written)
        _outer(theirs, mapped)
    os.close(theirs)
    os.close(mapped)
    with os.fdopen(ours, "rb") as pipe:
        if os.getuid() == 0 and pipe.read(1) == b"u":
            _write_maps(child, map_written)
        os.close(map_written)
        raw = pipe.read()
    os.waitpid(child, 0)
    lines = [line for line in raw.splitlines() if line.startswith(b"{")]
    return json.loads(lines[-1]) if lines else {"namespaces": "the attempt ended early"}


def _write_maps(child: int, map_written: int) -> None:
    try:
        write_root_maps(child)
    except OSError as e:
        os.write(map_written, b"!" + explain_namespaces(e.errno or 0, str(e)).encode())
    else:
        os.write(map_written, b"m")


def _outer(out: int, mapped: int) -> NoReturn:
    try:
        uid, gid = os.getuid(), os.getgid()
        linux.unshare(NAMESPACES)
        if uid == 0:
            os.write(out, b"u")
            answer = os.read(mapped, 4096)
            if answer != b"m":
                _answer(out, {"namespaces": answer[1:].decode() or "ids cannot be mapped"})
        else:
            linux.put("/proc/self/setgroups", "deny")
            linux.put("/proc/self/uid_map", f"0 {uid} 1")
            linux.put("/proc/self/gid_map", f"0 {gid} 1")
        if os.fork() == 0:
            _answer(out, _inside())
        os.wait()
        os._exit(0)
    except OSError as e:
        _answer(out, {"namespaces": explain_namespaces(e.errno or 0, str(e))})


def _answer(out: int, results: Results) -> NoReturn:
    os.write(out, b"\n" + json.dumps(results).encode() + b"\n")
    os._exit(0)


def _inside() -> Results:
    """Runs as pid 1 of the new namespaces."""
    linux.mount(None, "/", None, linux.MS_REC | linux.MS_PRIVATE)
    return {
        "namespaces": "",
        "nf_tables": _problem(check_nftables),
        "proc": _problem(_mount_proc),
        "ipv6": _problem(check_ipv6),
        "overlay": _problem(_mount_overlay),
    }


def _problem(work: Callable[[], Any]) -> str:
    try:
        work()
    except (CommandError, OSError) as e:
        return str(e)
    return ""


def _mount_proc() -> None:
    linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)


def _mount_overlay() -> None:
    """Covers the machine's /tmp in this mount namespace only, so it need not be writable."""
    folder = "/tmp"
    linux.mount("doctor", folder, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV)
    try:
        for name in ("lower", "upper", "work", "merged"):
            os.mkdir(f"{folder}/{name}")
        options = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work,userxattr"
        linux.mount("overlay", f"{folder}/merged", "overlay", linux.MS_NOSUID | linux.MS_NODEV, options)
        linux.umount(f"{folder}/merged")
    finally:
        linux.umount(folder)
