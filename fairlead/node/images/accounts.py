"""The users and groups of host images: the system's, and those that the images of usual programs have. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.base.numbers import natural

_LAST_SYSTEM_ID = 999
_NOBODY = 65534
_USUAL = (
    # name, uid, gid, home; the numbers are those of the images of that name
    ("root", 0, 0, "/root"),
    ("www-data", 33, 33, "/var/www"),
    ("haproxy", 99, 99, "/var/lib/haproxy"),
    ("nginx", 101, 101, "/nonexistent"),
    ("redis", 999, 999, "/data"),
    ("postgres", 999, 999, "/var/lib/postgresql"),
    ("mysql", 999, 999, "/var/lib/mysql"),
    ("mongodb", 999, 999, "/data/db"),
    ("node", 1000, 1000, "/home/node"),
    ("memcache", 11211, 11211, "/nonexistent"),
    ("nobody", _NOBODY, _NOBODY, "/nonexistent"),
)
_SHELL = "/bin/sh"


def passwd_file(host: str) -> str:
    """Returns the table of users. The people of the host are left out."""
    lines = dict(_system_lines(host, 7))
    for name, uid, gid, home in _USUAL:
        lines.setdefault(name, f"{name}:x:{uid}:{gid}:{name}:{home}:{_SHELL}")
    return "".join(f"{line}\n" for line in lines.values())


def group_file(host: str) -> str:
    """Returns the table of groups, without members: those are people of the host."""
    lines = {name: line.rpartition(":")[0] + ":" for name, line in _system_lines(host, 4)}
    for name, _, gid, _ in _USUAL:
        lines.setdefault(name, f"{name}:x:{gid}:")
    lines.setdefault("nogroup", f"nogroup:x:{_NOBODY}:")
    return "".join(f"{line}\n" for line in lines.values())


def shadow_file(passwd: str) -> str:
    """Returns the table of passwords for these users: none has one."""
    names = (line.partition(":")[0] for line in passwd.splitlines())
    return "".join(f"{name}:*:19000:0:99999:7:::\n" for name in names)


def _system_lines(text: str, columns: int) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        fields = line.split(":")
        number = natural(fields[2]) if len(fields) == columns else None
        if number is not None and fields[0] and (number <= _LAST_SYSTEM_ID or number == _NOBODY):
            yield fields[0], line
