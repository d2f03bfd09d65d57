"""The name under which the shell finds this program, for messages that show a command."""

from __future__ import annotations

import os
import re
import shlex
import sys

_COMMAND = r"(?<![\w./-])(?<!uvx )(?<!run )(?<!install )(?<!ip )(?<!ip6 )(?<!inet )fairlead (?=[a-z]|--)"
"""The program's name in front of a command; not in other programs' commands, and not the tables of rules."""


def program() -> str:
    """Returns `fairlead` if the shell finds this program by that name, `uvx fairlead` or `pipx run fairlead` if one of
    these runs it from its cache, otherwise the path of this call."""
    called = sys.argv[0]
    folder, file = os.path.split(called)
    runner = _runner(os.path.realpath(sys.prefix).split(os.sep))
    if runner:
        return f"{runner} fairlead"
    if file != "fairlead":
        module = "fairlead" if file == "__main__.py" and os.path.basename(folder) == "fairlead" else "fairlead.cmd.main"
        return f"{shlex.quote(sys.executable)} -m {module}"
    from shutil import which  # 2 ms, and not needed at a start

    on_path = which("fairlead")
    if on_path is not None and os.path.realpath(on_path) == os.path.realpath(called):
        return "fairlead"
    return shlex.quote(os.path.relpath(called) if _is_below(called) else called)


def as_typed(text: str) -> str:
    """Returns the text with each command of this program, `fairlead up`, as the user's shell finds it."""
    name = program()
    return text if name == "fairlead" else re.sub(_COMMAND, lambda _: f"{name} ", text)


def _runner(prefix: list[str]) -> str:
    """Returns the program that made an environment in its cache to run this program once, or an empty text."""
    if "uv" in prefix and any(part.startswith(("archive-v", "environments-v")) for part in prefix):
        return "uvx"
    return "pipx run" if "pipx" in prefix and ".cache" in prefix else ""


def _is_below(path: str) -> bool:
    return os.path.realpath(path).startswith(os.path.realpath(os.getcwd()) + os.sep)
