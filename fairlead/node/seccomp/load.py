"""Reads a profile of the node's folder."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection

from fairlead.node.seccomp.compile import compile_profile
from fairlead.node.seccomp.profile import Machine, ProfileProblem, parse_profile

_LONGEST = 1 << 20


def load_profile(folder: str, name: str, *, capabilities: Collection[str]) -> tuple[bytes, int]:
    """Returns the program of the profile `name` and the flags of seccomp(2). Raises ProfileProblem."""
    path = os.path.join(folder, name)
    try:
        profile = parse_profile(_read(path), _machine(capabilities))
        return compile_profile(profile), profile.flags
    except OSError as error:
        raise ProfileProblem(f'cannot load seccomp profile "{path}": {(error.strerror or "").lower()}') from error
    except ProfileProblem as error:
        raise ProfileProblem(f'cannot load seccomp profile "{path}": {error}') from error


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ProfileProblem("not a file")
        data = file.read(_LONGEST + 1)
    if len(data) > _LONGEST:
        raise ProfileProblem(f"longer than {_LONGEST} bytes")
    return data


def _machine(capabilities: Collection[str]) -> Machine:
    here = os.uname()
    if here.machine not in ("x86_64", "aarch64"):
        raise ProfileProblem(f"profiles are not supported on {here.machine}")
    release = re.match(r"(\d+)\.(\d+)", here.release)
    kernel = (int(release[1]), int(release[2])) if release else (0, 0)
    return Machine(here.machine, kernel, capabilities)
