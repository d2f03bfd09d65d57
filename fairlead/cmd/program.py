"""The name under which the shell finds this program, for messages that show a command."""

from __future__ import annotations

import os
import shlex
import sys


def program() -> str:
    """Returns `fairlead` if the shell finds this program by that name, `uvx fairlead` or `pipx run fairlead` if one of
    these runs it from its cache, otherwise the path of this call."""
    called = sys.argv[0]
    runner = _runner(os.path.realpath(sys.prefix).split(os.sep))
    if runner:
        return f"{runner} fairlead"
    if os.path.basename(called) != "fairlead":
        return f"{shlex.quote(sys.executable)} -m fairlead.cmd.main"
    from shutil import which  # 2 ms, and not needed at a start

    on_path = which("fairlead")
    if on_path is not None and os.path.realpath(on_path) == os.path.realpath(called):
        return "fairlead"
    return shlex.quote(os.path.relpath(called) if _is_below(called) else called)


def _runner(prefix: list[str]) -> str:
    """Returns the program that made an environment in its cache to run this program once, or an empty text."""
    if "uv" in prefix and any(part.startswith(("archive-v", "environments-v")) for part in prefix):
        return "uvx"
    return "pipx run" if "pipx" in prefix and ".cache" in prefix else ""


def _is_below(path: str) -> bool:
    return os.path.realpath(path).startswith(os.path.realpath(os.getcwd()) + os.sep)
