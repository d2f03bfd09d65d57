"""Maps an image's name to a program of the host, and describes that program truthfully in events."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from glob import glob
from pathlib import Path
from typing import Literal

import h11
import msgspec

import fairlead
from fairlead.base.dataclass import dataclass, field
from fairlead.node.images.catalogue import CatalogueFile, CatalogueText, Entry, find, parse_catalogue, unknown_image
from fairlead.node.images.hostlayer import APPLETS

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ASK_S = 5.0
_HERE = Path(__file__).parent
"""`importlib.resources` would import `zipfile` in each cluster (0.4 MB)."""


class NoImage(Exception):
    """The image cannot be had; the text names the cure. `reason` is upstream's word for the container's status."""

    def __init__(
        self, text: str, reason: Literal["ErrImagePull", "ErrImageNeverPull", "InvalidImageName"] = "ErrImagePull"
    ) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """The image or the program of the host that runs for an image's name."""

    id: str
    """The value of `imageID`: `host://nginx/1.22.1`."""
    source: str
    """The text after the image's name in the `Pulled` event."""
    event: str = ""
    """The whole text of the `Pulled` event, if it is another."""
    layers: tuple[str, ...] | None = None
    """The directories of an image's layers, the lowest first; None: a program of the host."""
    user: str = ""
    """The user that the image names: `USER` or `USER:GROUP`, each a name or a number."""
    cwd: str = "/"
    volumes: tuple[str, ...] = ()
    """The directories that are volumes of each container (VOLUME), if the Pod mounts nothing there."""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    host_layer: str = ""
    """The layer above the host's files; empty: the container's root is read-only."""
    writable: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    expose: tuple[str, ...] = ()
    listens: str = ""
    """The port that answers when the program is up; empty: unknown."""
    stop_signal: str = ""
    builtin: bool = False
    """A program of this project that writes no files."""
    names_pod: bool = False
    """The program gets its Pod's name, node and address in its environment."""


Offer = Literal["", "program", "substitute"]
"""The quality of a host image: the program that the image is, one that answers like it, or none."""


@cache
def built_in() -> tuple[Entry, ...]:
    """Returns the catalogue that comes with Fairlead; read at the first use, because it takes milliseconds."""
    return parse_catalogue((_HERE / "catalogue.toml").read_text(encoding="utf-8"))


class HostImages:
    """The catalogues over one host. Facts about programs are cached: a host rarely changes under a cluster.

    The first catalogue that has an image wins: the ConfigMap of the cluster, the file that the cluster was started
    with, the user's file, the built-in catalogue. A mistake in one of them leaves all other images usable.
    """

    def __init__(self, *, files: Sequence[str], version: str, homes: Sequence[str] = ()) -> None:
        """`files` are the paths of catalogue files. `homes` are folders that containers do not see."""
        self.from_api = CatalogueText("ConfigMap kube-system/fairlead-images")
        self._files = [CatalogueFile(path) for path in files if path]
        self._version = version
        self._homes = homes
        self._images: dict[int, tuple[Entry, Image]] = {}
        """Images by the identity of an entry, with the entry itself: a new one could get the number of an old one."""

    def in_own_file(self, image: str) -> bool:
        """Returns True if a catalogue of the user or of the cluster has the image."""
        return find(self._own(), image) is not None

    def _own(self) -> tuple[Entry, ...]:
        for file in self._files:
            file.reload()
        return tuple(entry for text in (self.from_api, *self._files) for entry in text.entries)

    def offer(self, image: str) -> Offer:
        """Returns the quality of the built-in host image of this name."""
        entry = find(built_in(), image)
        if entry is None:
            return ""
        if entry.builtin:
            return "substitute" if entry.like else "program"
        if self._program(entry):
            return "program"
        return self._offer_instead(entry)

    def _program(self, entry: Entry) -> str:
        """Returns the path of the host's program; empty if it is missing, or if containers cannot see it."""
        program = _find_program(entry)
        return "" if program and _home_of(program, self._homes) else program

    def _offer_instead(self, entry: Entry) -> Offer:
        return "substitute" if entry.instead and self.offer(entry.instead) else ""

    async def resolve(self, image: str) -> Image:
        """Raises NoImage."""
        entries = (*self._own(), *built_in())
        entry = find(entries, image)
        if entry is None:
            problems = [text.problem for text in (self.from_api, *self._files) if text.problem]
            file = self._files[-1].name if self._files else ""
            raise NoImage(unknown_image(image, entries, file) + (f" ({'; '.join(problems)})" if problems else ""))
        known = self._images.get(id(entry))
        if known is None or known[0] is not entry:
            known = self._images[id(entry)] = entry, await self._make(entry, image)
        return known[1]

    async def _make(self, entry: Entry, image: str) -> Image:
        if entry.builtin:
            return self._dns() if entry.builtin == "dns" else self._web(entry)
        program = self._program(entry)
        if program:
            return await _host_program(entry, program)
        problem = unusable(entry.program, PATH.split(":"), self._homes)
        if not entry.instead:
            raise NoImage(f'"{image}" is served by the host\'s {entry.program}, which {problem}')
        target = await self.resolve(entry.instead)
        what = f"{entry.instead} {self._version} ({' '.join(entry.instead_args)})"
        source = f"is served by {what}" if target.names_pod else target.source
        return replace(target, source=f"{source}: {entry.program} {problem.partition(':')[0]}", args=entry.instead_args)

    def _web(self, entry: Entry) -> Image:
        python = os.path.realpath(sys.executable)
        script = f"{os.path.dirname(os.path.realpath(str(fairlead.__file__)))}/images/web/start.py"
        command = (python, "-I", "-S", script, *(("--like", entry.like) if entry.like else ()))
        texts = {path: f'#!/bin/sh\nexec {" ".join(command)} "$@"\n' for path in entry.command}
        like = f", which answers like {entry.like}" if entry.like else ""
        return Image(
            id=f"host://fairlead/web/{self._version}" + (f"/{entry.like}" if entry.like else ""),
            source=f"is built into fairlead {self._version}{like and ' as fairlead/web' + like}",
            command=entry.command or command,
            args=entry.args,
            files=texts,
            listens=entry.listens,
            expose=(os.path.realpath(sys.base_prefix), os.path.dirname(script)),
            builtin=not entry.like,
            names_pod=True,
        )

    def _dns(self) -> Image:
        """Returns the image of cluster DNS: this package, msgspec and h11 on the host's Python, without other installed
        packages."""
        python = os.path.realpath(sys.executable)
        packages = [os.path.dirname(os.path.realpath(str(m.__file__))) for m in (fairlead, msgspec, h11)]
        own = packages[0]
        places = ":".join(dict.fromkeys(map(os.path.dirname, packages)))
        return Image(
            id=f"host://fairlead/dns/{self._version}",
            source=f"is built into fairlead {self._version}",
            command=(python, "-I", "-S", f"{own}/dns/program/start.py", places),
            builtin=True,
            expose=(os.path.realpath(sys.base_prefix), *packages),
        )


def _find_program(entry: Entry) -> str:
    """Returns the path of the host's program; empty if it is missing."""
    folders = [folder for pattern in entry.look_in for folder in _newest_first(pattern)]
    return shutil.which(entry.program, path=":".join((PATH, *folders))) or ""


def _newest_first(pattern: str) -> list[str]:
    """Returns the directories that match, such as those of several versions, the highest numbers first."""
    if "*" not in pattern:
        return [pattern]
    return sorted(glob(pattern), key=lambda path: [int(n) for n in re.findall(r"\d+", path)], reverse=True)


def _home_of(path: str, homes: Sequence[str]) -> str:
    """Returns the home folder in which a file lies, or an empty text."""
    real = os.path.realpath(path)
    return next((home for home in homes if real.startswith(os.path.realpath(home).rstrip("/") + "/")), "")


def unusable(program: str, folders: Sequence[str], homes: Sequence[str]) -> str:
    """Returns the reason for which a program of the host cannot run, and the cure: what follows "which"."""
    places = [program] if "/" in program else [f"{folder}/{program}" for folder in folders]
    for path in places:
        if os.path.lexists(path) and (home := _home_of(path, homes)):
            return (
                f"is in the home folder {home}, and containers see no homes: put it into /usr/local/bin or /opt, or "
                "make an image of it (fairlead image build)"
            )
        if os.path.isfile(path):
            return f"is not executable: chmod a+x {path}"
    return "is not installed on the host: install it"


async def _host_program(entry: Entry, program: str) -> Image:
    version = await asyncio.to_thread(_ask_version, program, entry.version) if entry.version else ""
    name = os.path.basename(program)
    folder = os.path.dirname(program)
    path = PATH if folder in PATH.split(":") else f"{PATH}:{folder}"
    if entry.applets:
        path = f"{APPLETS}:{path}"
    return Image(
        id=f"host://{name}/{version}" if version else f"host://{name}",
        source=f"is served by the host's {' '.join(filter(None, (name, version)))} ({program})",
        command=entry.command,
        args=entry.args,
        env={"PATH": path, **entry.env},
        writable=entry.writable,
        files={**entry.files, **await asyncio.to_thread(_scripts, entry.scripts)},
        links=entry.links,
        user=entry.user,
        cwd=entry.cwd or "/",
        listens=entry.listens,
        stop_signal=entry.stop_signal,
    )


def _scripts(names: Mapping[str, str]) -> dict[str, str]:
    return {path: (_HERE / "scripts" / name).read_text(encoding="utf-8") for path, name in names.items()}


def _ask_version(program: str, args: Sequence[str]) -> str:
    try:
        said = subprocess.run(
            [program, *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=_ASK_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    match = re.search(rb"\d+(\.\d+)+", said.stdout + said.stderr)
    return match[0].decode() if match else ""
