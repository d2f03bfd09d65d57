"""Catalogues: they map images to programs of the host."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from string import Template

from fairlead.base.codec import CodecError, Fault, decode
from fairlead.base.dataclass import dataclass, field


@dataclass(frozen=True, slots=True)
class Entry:
    """One [[image]] of a catalogue file."""

    names: tuple[str, ...] = ()
    program: str = ""
    builtin: str = ""
    exact: bool = False
    like: str = ""
    applets: bool = False
    look_in: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    version: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    writable: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    scripts: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    cwd: str = ""
    listens: str = ""
    stop_signal: str = ""
    instead: str = ""
    instead_args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _File:
    image: tuple[Entry, ...] = ()


def parse_catalogue(text: str) -> tuple[Entry, ...]:
    """Parses a catalogue. Raises ValueError with one line that names every fault by its path."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is not valid TOML: {error}") from error
    entries = decode(_File, tree).image
    for number, entry in enumerate(entries):
        if not entry.names or not (entry.program or entry.builtin):
            raise CodecError(Fault(f"image[{number}]", "names and program are required"))
    return entries


def repository(image: str) -> str:
    """Returns an image's name without registry, `library/`, tag and digest: `docker.io/library/nginx:1.14` gives
    `nginx`."""
    name = image.partition("@")[0]
    head, slash, rest = name.partition("/")
    if slash and ("." in head or ":" in head or head == "localhost"):
        name = rest
    path, slash, last = name.rpartition("/")
    name = path + slash + last.partition(":")[0]
    return name.removeprefix("library/")


def find(entries: Sequence[Entry], image: str) -> Entry | None:
    """Returns the first entry that serves the image."""
    name = repository(image)
    last = name.rpartition("/")[2]
    for entry in entries:
        loose = () if entry.exact else (pattern for pattern in entry.names if "/" not in pattern)
        if any(fnmatchcase(name, pattern) for pattern in entry.names) or any(fnmatchcase(last, p) for p in loose):
            return entry
    return None


def unknown_image(image: str, entries: Sequence[Entry], file: str) -> str:
    """Returns the reason for which an image is unavailable, and the cure."""
    names = ", ".join(sorted({name for entry in entries for name in entry.names}))
    cure = (
        f"add an [[image]] for it to {file}" if file else "give the node a catalogue file that has an [[image]] for it"
    )
    return (
        f'no host image serves "{image}", and this cluster pulls no images: load it (fairlead image load), start the '
        f"cluster with --registries host, use one of {names}, or {cure}"
    )


def render_file(text: str, values: Mapping[str, str]) -> str:
    """Fills in $pod and the other known names, and leaves every other `$` alone."""
    return Template(text.removeprefix("\n")).safe_substitute(values)


class CatalogueText:
    """A catalogue whose text may change; a mistake in it leaves it empty and is reported with the image that is
    missing."""

    def __init__(self, name: str) -> None:
        """`name` is the place of the text, for users."""
        self.name = name
        self.entries: tuple[Entry, ...] = ()
        self.problem = ""
        self._text = ""

    def update(self, text: str) -> None:
        if text == self._text:
            return
        self._text, self.entries, self.problem = text, (), ""
        try:
            self.entries = parse_catalogue(text)
        except ValueError as error:
            self.problem = f"{self.name} cannot be used: {error}"


class CatalogueFile(CatalogueText):
    """A catalogue file, which may be missing, and is read again after a change."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._read_at = 0

    def reload(self) -> None:
        try:
            changed_at = os.stat(self.name).st_mtime_ns
        except OSError:
            changed_at = 0
        if changed_at == self._read_at:
            return
        self._read_at = changed_at
        if not changed_at:
            self.update("")
            return
        try:
            with open(self.name, encoding="utf-8") as file:
                self.update(file.read())
        except (OSError, UnicodeDecodeError) as error:
            self.entries, self.problem = (), f"{self.name} cannot be used: {error}"
