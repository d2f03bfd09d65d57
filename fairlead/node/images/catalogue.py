"""Which of the host's programs serve which images: the catalogue as values. No I/O."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from string import Template
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One [[image]] of a catalogue file."""

    names: tuple[str, ...]
    program: str = ""
    builtin: str = ""
    look_in: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    version: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    writable: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    listens: str = ""
    stop_signal: str = ""
    instead: str = ""
    instead_args: tuple[str, ...] = ()


_LISTS = ("names", "look_in", "command", "args", "version", "writable", "instead_args")
_TEXTS = ("program", "builtin", "listens", "stop_signal", "instead")
_TABLES = ("env", "files")


def parse_catalogue(text: str) -> tuple[Entry, ...]:
    """Raises ValueError with one line that says what is wrong where."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"not TOML: {error}") from error
    unknown = set(tree) - {"image"}
    if unknown:
        raise ValueError(f"unknown key {sorted(unknown)[0]!r}; only [[image]] is known")
    return tuple(_entry(number, one) for number, one in enumerate(tree.get("image", ()), 1))


def _entry(number: int, tree: Mapping[str, Any]) -> Entry:
    for key, value in tree.items():
        if key in _LISTS:
            good = isinstance(value, list) and all(isinstance(v, str) for v in value)
        elif key in _TEXTS:
            good = isinstance(value, str)
        elif key in _TABLES:
            good = isinstance(value, dict) and all(isinstance(v, str) for v in value.values())
        else:
            raise ValueError(f"image {number}: unknown key {key!r}")
        if not good:
            kind = "a list of strings" if key in _LISTS else "a string" if key in _TEXTS else "a table of strings"
            raise ValueError(f"image {number}: {key!r} must be {kind}")
    if not tree.get("names") or not (tree.get("program") or tree.get("builtin")):
        raise ValueError(f"image {number}: 'names' and 'program' must be given")
    fields: dict[str, Any] = {k: tuple(v) if k in _LISTS else v for k, v in tree.items()}
    return Entry(**fields)


def repository(image: str) -> str:
    """An image's name without registry, `library/`, tag and digest: `docker.io/library/nginx:1.14` is `nginx`."""
    name = image.partition("@")[0]
    head, slash, rest = name.partition("/")
    if slash and ("." in head or ":" in head or head == "localhost"):
        name = rest
    path, slash, last = name.rpartition("/")
    name = path + slash + last.partition(":")[0]
    return name.removeprefix("library/")


def find(entries: Sequence[Entry], image: str) -> Entry | None:
    """The first entry that serves the image."""
    name = repository(image)
    last = name.rpartition("/")[2]
    for entry in entries:
        if any(
            fnmatchcase(name, wanted) or ("/" not in wanted and fnmatchcase(last, wanted)) for wanted in entry.names
        ):
            return entry
    return None


def unknown_image(image: str, entries: Sequence[Entry], file: str) -> str:
    """Why an image cannot be had, and what to do about it."""
    names = ", ".join(sorted({name for entry in entries for name in entry.names}))
    cure = (
        f"add an [[image]] for it to {file}" if file else "give the node a catalogue file that has an [[image]] for it"
    )
    return (
        f'no host image serves "{image}": images are not pulled from registries yet, and the catalogue has only '
        f"{names}; use one of these, or {cure}"
    )


def render_file(text: str, values: Mapping[str, str]) -> str:
    """Fills in $pod and its like, and leaves every other `$` alone."""
    return Template(text.removeprefix("\n")).safe_substitute(values)
