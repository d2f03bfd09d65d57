"""The home folders of a machine's users. They are hidden from pods, unless a hostPath names one."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Mapping

_FIRST_USER = 1000
"""Lower ids belong to the system (login.defs), with homes such as /usr/sbin and /var/lib/postgresql."""
_SYSTEM = frozenset(("/", "/bin", "/etc", "/lib", "/lib64", "/sbin", "/usr", "/usr/bin", "/usr/sbin", "/var"))


def home_folders(environ: Mapping[str, str], *, passwd: str) -> tuple[str, ...]:
    """Returns the homes of the user who runs the cluster, by database and $HOME, and of all persons in `passwd`."""
    folders = {environ.get("HOME", ""), *_of_this_user(), *_of_passwd(passwd)}
    return tuple(sorted(path for path in folders if path.startswith("/") and os.path.realpath(path) not in _SYSTEM))


def _of_this_user() -> Iterator[str]:
    try:
        yield pwd.getpwuid(outer_id()).pw_dir
    except KeyError:
        return


def outer_id() -> int:
    """Returns the user's id outside of the calling process's user namespace."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        for line in file:
            inside, outside, count = map(int, line.split())
            if inside <= os.getuid() < inside + count:
                return outside + os.getuid() - inside
    return os.getuid()


def _of_passwd(passwd: str) -> Iterator[str]:
    try:
        with open(passwd, encoding="utf-8", errors="replace") as file:
            lines = [line.rstrip("\n").split(":") for line in file]
    except OSError:
        return
    for fields in lines:
        if len(fields) == 7 and fields[2].isdecimal() and _is_persons(int(fields[2])):
            yield fields[5]


def _is_persons(uid: int) -> bool:
    return uid == 0 or _FIRST_USER <= uid < 65534  # 65534 is `nobody`, whose home is /nonexistent
