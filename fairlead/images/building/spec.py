"""The settings of an image to build: `fairlead-image.toml`, changed by flags, and what follows from the files. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import replace

from fairlead.base.codec import decode
from fairlead.base.dataclass import dataclass, field
from fairlead.images.errors import ImageError

FILE = "fairlead-image.toml"
APP = "/app"
REQUIREMENTS = "requirements.txt"
_PYTHON = ("main.py", "app.py", "server.py", "__main__.py")
_SHELL = ("entrypoint.sh", "main.sh", "run.sh", "start.sh")
_SHEBANG = re.compile(rb"#!\s*(?:\S*/env\s+(?:-S\s+)?)?(\S+)")


@dataclass(frozen=True, slots=True)
class BuildSpec:
    """The settings of an image to build."""

    base: str = ""
    """An image of the store; empty: the programs of this machine that are needed, with their libraries."""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    user: str = ""
    workdir: str = ""
    programs: tuple[str, ...] = ()
    """Programs of this machine that the image gets, without a base image."""


def parse_spec(text: str, where: str) -> BuildSpec:
    """Raises ImageError with the path of each fault."""
    try:
        return decode(BuildSpec, tomllib.loads(text))
    except ValueError as error:
        raise ImageError(f"{where}: {error}") from error


def merged(spec: BuildSpec, flags: Mapping[str, object]) -> BuildSpec:
    """Returns the settings, changed by flags; variables are added to those of the file."""
    given = {name: value for name, value in flags.items() if value}
    if isinstance(given.get("env"), dict):
        given["env"] = {**spec.env, **given["env"]}  # type: ignore[dict-item]
    return replace(spec, **given)  # type: ignore[arg-type]


def completed(spec: BuildSpec, names: Collection[str], heads: Mapping[str, bytes]) -> BuildSpec:
    """Returns the settings with an entrypoint and the programs that it needs. `names` are the files at the top, and
    `heads` their first bytes. Raises ImageError."""
    if not spec.entrypoint and not spec.command and not spec.base:
        spec = replace(spec, entrypoint=_entrypoint(names, heads))
    program = (*spec.entrypoint, *spec.command, "")[0]
    needed = [program] if program and not program.startswith(APP + "/") else []
    own = program.removeprefix(APP + "/")
    if own in heads and (match := _SHEBANG.match(heads[own])):
        needed.append(match[1].decode(errors="replace"))
    return replace(spec, programs=tuple(dict.fromkeys((*spec.programs, *([] if spec.base else needed)))))


def _entrypoint(names: Collection[str], heads: Mapping[str, bytes]) -> tuple[str, ...]:
    if len(names) == 1:
        (only,) = names
        return _command_of(only, heads.get(only, b""))
    for candidates in (_PYTHON, _SHELL):
        for name in candidates:
            if name in names:
                return _command_of(name, heads.get(name, b""))
    raise ImageError(f"nothing says what to run: give --entrypoint, `entrypoint` in {FILE}, or a file {_PYTHON[0]}")


def _command_of(name: str, head: bytes) -> tuple[str, ...]:
    path = f"{APP}/{name}"
    if name.endswith(".py"):
        return ("python3", "-u", path)
    if match := _SHEBANG.match(head):
        return (match[1].decode(errors="replace"), path)
    if name.endswith(".sh"):
        return ("sh", path)
    if head.startswith(b"\x7fELF"):
        return (path,)
    raise ImageError(f'"{name}" is neither a program nor a script with `#!`: give --entrypoint')
