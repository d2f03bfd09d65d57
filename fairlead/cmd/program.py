"""How this program is typed, for the lines that tell what to type next."""

from __future__ import annotations

import os
import shlex
import sys
from shutil import which


def program() -> str:
    """`fairlead` where that is what the shell finds; else the way it was called."""
    called = sys.argv[0]
    if os.path.basename(called) != "fairlead":
        return f"{shlex.quote(sys.executable)} -m fairlead.cmd.main"
    found = which("fairlead")
    if found is not None and os.path.realpath(found) == os.path.realpath(called):
        return "fairlead"
    return shlex.quote(os.path.relpath(called) if _is_below(called) else called)


def _is_below(path: str) -> bool:
    return os.path.realpath(path).startswith(os.path.realpath(os.getcwd()) + os.sep)
