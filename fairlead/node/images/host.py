"""Maps an image's name to a program of the host, and describes that program truthfully in events."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Literal

import h11
import msgspec

import fairlead
from fairlead.base.dataclass import dataclass, field
from fairlead.images.web import server as web_server
from fairlead.node.images.catalogue import Entry, find, parse_catalogue, unknown_image

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ASK_S = 5.0


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


class HostImages:
    """The catalogue over one host. Facts about programs are cached: a host rarely changes under a cluster.

    The user's own file may be missing, may change at any time, and is read again after a change. A mistake in the file
    is reported with the image that is missing, and leaves all other images usable.
    """

    def __init__(self, *, catalogue: str, version: str) -> None:
        """`catalogue` is the path of the user's own file, or empty."""
        built_in = resources.files("fairlead.node.images").joinpath("catalogue.toml").read_text()
        self._file = catalogue
        self._read_at = -1
        self._problem = ""
        self._own: tuple[Entry, ...] = ()
        self._built_in = parse_catalogue(built_in)
        self._version = version
        self._images: dict[int, Image] = {}

    def in_own_file(self, image: str) -> bool:
        """Returns True if the user's own file has the image."""
        self._reload()
        return find(self._own, image) is not None

    def serves(self, image: str) -> bool:
        """Returns True if a built-in host image has this name."""
        return find(self._built_in, image) is not None

    async def resolve(self, image: str) -> Image:
        """Raises NoImage."""
        self._reload()
        entries = (*self._own, *self._built_in)
        entry = find(entries, image)
        if entry is None:
            raise NoImage(unknown_image(image, entries, self._file) + self._problem)
        known = self._images.get(id(entry))
        if known is None:
            known = self._images[id(entry)] = await self._make(entry, image)
        return known

    def _reload(self) -> None:
        """Reads the user's file again if it has changed."""
        try:
            changed_at = os.stat(self._file).st_mtime_ns if self._file else 0
        except OSError:
            changed_at = 0
        if changed_at == self._read_at:
            return
        self._read_at, self._own, self._problem, self._images = changed_at, (), "", {}
        if not changed_at:
            return
        try:
            with open(self._file, encoding="utf-8") as file:
                self._own = parse_catalogue(file.read())
        except (OSError, ValueError) as error:
            self._problem = f" (it cannot be used: {error})"

    async def _make(self, entry: Entry, image: str) -> Image:
        if entry.builtin:
            return self._dns() if entry.builtin == "dns" else self._web(entry)
        program = shutil.which(entry.program, path=":".join((PATH, *entry.look_in)))
        if program is not None:
            return await _host_program(entry, program)
        if not entry.instead:
            raise NoImage(f'"{image}" is served by the host\'s {entry.program}, which is not installed: install it')
        target = await self.resolve(entry.instead)
        args = " ".join(entry.instead_args)
        why = f"is served by {entry.instead} {self._version} ({args}): {entry.program} is not installed on the host"
        return Image(
            id=target.id,
            source=why,
            command=target.command,
            args=entry.instead_args,
            listens=target.listens,
            expose=target.expose,
            names_pod=target.names_pod,
        )

    def _web(self, entry: Entry) -> Image:
        python = os.path.realpath(sys.executable)
        script = os.path.realpath(web_server.__file__)
        return Image(
            id=f"host://fairlead/web/{self._version}",
            source=f"is built into fairlead {self._version}",
            command=(python, "-I", "-S", script),
            args=entry.args,
            listens=entry.listens,
            expose=(os.path.realpath(sys.base_prefix), os.path.dirname(script)),
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


async def _host_program(entry: Entry, program: str) -> Image:
    version = await asyncio.to_thread(_ask_version, program, entry.version) if entry.version else ""
    name = os.path.basename(program)
    folder = os.path.dirname(program)
    path = PATH if folder in PATH.split(":") else f"{PATH}:{folder}"
    return Image(
        id=f"host://{name}/{version}" if version else f"host://{name}",
        source=f"is served by the host's {' '.join(filter(None, (name, version)))} ({program})",
        command=entry.command,
        args=entry.args,
        env={"PATH": path, **entry.env},
        writable=entry.writable,
        files=entry.files,
        links=entry.links,
        user=entry.user,
        cwd=entry.cwd or "/",
        listens=entry.listens,
        stop_signal=entry.stop_signal,
    )


def _ask_version(program: str, args: Sequence[str]) -> str:
    try:
        said = subprocess.run(
            [program, *args], stdin=subprocess.DEVNULL, capture_output=True, timeout=_ASK_S, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    match = re.search(rb"\d+(\.\d+)+", said.stdout + said.stderr)
    return match[0].decode() if match else ""
