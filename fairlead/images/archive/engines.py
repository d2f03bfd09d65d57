"""Images of the engines on this machine: each has a program that writes an archive."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from fairlead.images.errors import ImageError

COMMANDS = {
    "docker": ("docker", "save"),
    "podman": ("podman", "save", "--format", "docker-archive"),
    "containerd": ("ctr", "images", "export", "-"),
}


@contextmanager
def exported(engine: str, image: str) -> Iterator[IO[bytes]]:
    """Yields the archive that the engine writes of an image. Raises ImageError."""
    command = COMMANDS[engine]
    if shutil.which(command[0]) is None:
        raise ImageError(f"{command[0]} is not installed on this machine")
    with subprocess.Popen([*command, image], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        problem: ImageError | None = None
        try:
            yield process.stdout
        except ImageError as error:  # an engine that fails writes no archive: its own text says more
            problem = error
            process.stdout.close()
        said = process.stderr.read().decode(errors="replace").strip()
        if process.wait() and said:
            raise ImageError(f"{' '.join(command)} {image}: {said.splitlines()[-1]}")
        if problem is not None:
            raise problem
