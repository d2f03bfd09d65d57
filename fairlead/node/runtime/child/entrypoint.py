"""Finds the user to whom an image's entry point changes: `exec gosu redis "$0" "$@"`.

With one id mapped, a change of ids appears to succeed and does nothing. Such a script would start itself without end,
and servers that refuse root (postgres) would refuse. These scripts leave the change out if another user starts them, so
the container starts as that user at once. Runs in the container's root, in a forked child of the zygote: standard
library only.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence

from fairlead.node.runtime.files.safepath import read_file

_LONGEST = 256 << 10
_MOST_ARGS = 6
"""Arguments in which the script is looked for: before it may stand `tini --` or `/bin/sh`."""
_NAME = r"[\"']?([A-Za-z0-9_][A-Za-z0-9_.-]*)(?::[A-Za-z0-9_.-]+)?[\"']?(?=\s|$)"
_CHANGES = (
    re.compile(rf"^[^#\n]*\bexec\s+(?:\S*/)?(?:gosu|su-exec)\s+{_NAME}", re.M),
    re.compile(rf"^[^#\n]*\bexec\s+(?:\S*/)?setpriv\s[^\n]*--reuid[= ]{_NAME}", re.M),
    re.compile(rf"^[^#\n]*\bexec\s+(?:\S*/)?chroot\s[^\n]*--userspec[= ]{_NAME}", re.M),
)
_PROGRAMS = ("gosu", "su-exec")


def user_of_entrypoint(args: Sequence[str], env: Mapping[str, str]) -> str:
    """Returns the name or number of the user, or an empty text."""
    for number, arg in enumerate(args[:_MOST_ARGS]):
        if os.path.basename(arg) in _PROGRAMS and args[number + 1 :]:
            return args[number + 1].partition(":")[0]
        for path in _candidates(arg, env.get("PATH", "")) if not arg.startswith("-") else ():
            if text := _script(path):
                return user_of_script(text)
    return ""


def user_of_script(text: str) -> str:
    """Returns the user to whom a shell script changes before it starts its program, or an empty text."""
    for pattern in _CHANGES:
        if match := pattern.search(text):
            return match[1]
    return ""


def _candidates(arg: str, path: str) -> Iterator[str]:
    if "/" in arg:
        yield arg
        return
    yield from (f"{folder}/{arg}" for folder in path.split(":") if folder.startswith("/"))


def _script(path: str) -> str:
    """Returns the text of an executable script; empty for another file."""
    text = read_file(path, _LONGEST)
    return text[2:].decode(errors="replace") if text.startswith(b"#!") else ""
