"""The directories of volumes: `<cluster's folder>/volumes/<volume>_<namespace>_<claim>`.

Every user may write into a new directory: the programs of pods run as any user, and `fsGroup` narrows that. No other
user of the host gets there, since the cluster's folder is private.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Collection
from typing import Protocol

_MODE = 0o777


class Directories(Protocol):
    """Makes and removes directories. Raises OSError."""

    def path(self, name: str) -> str:
        """Returns the path of the directory of a name."""
        ...

    async def make(self, name: str) -> None:
        """Makes the directory, unless it exists."""
        ...

    async def remove(self, name: str) -> None:
        """Removes the directory with all it contains, if it exists."""
        ...

    async def remove_empty(self, keep: Collection[str]) -> None:
        """Removes empty directories, but those of the names in `keep`."""
        ...


class HostDirectories:
    """Directories below one on the host. Threads do the work, since the removal of many files takes long."""

    def __init__(self, root: str) -> None:
        self._root = root

    def path(self, name: str) -> str:
        return f"{self._root}/{name}"

    async def make(self, name: str) -> None:
        await asyncio.to_thread(self._make, name)

    async def remove(self, name: str) -> None:
        await asyncio.to_thread(self._remove, name)

    async def remove_empty(self, keep: Collection[str]) -> None:
        await asyncio.to_thread(self._remove_empty, keep)

    def _remove_empty(self, keep: Collection[str]) -> None:
        names = os.listdir(self._root) if os.path.isdir(self._root) else []
        for name in set(names) - set(keep):
            with contextlib.suppress(OSError):  # ENOTEMPTY: its data stay
                os.rmdir(self.path(name))

    def _make(self, name: str) -> None:
        path = self.path(name)
        os.makedirs(self._root, mode=0o700, exist_ok=True)
        try:
            os.mkdir(path)
        except FileExistsError:
            return
        os.chmod(path, _MODE)  # whatever the umask is

    def _remove(self, name: str) -> None:
        path = self.path(name)
        if name in ("", ".", "..") or "/" in name:
            raise PermissionError(f"{path} is not a directory of this provisioner")
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            if os.path.lexists(path):  # something else removed a file of it at the same time
                raise


class MemoryDirectories:
    """Directories that exist as names only. `problem`, if set, is raised by every change."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.problem: OSError | None = None

    def path(self, name: str) -> str:
        return f"/volumes/{name}"

    async def make(self, name: str) -> None:
        if self.problem is not None:
            raise self.problem
        self.names.add(name)

    async def remove(self, name: str) -> None:
        if self.problem is not None:
            raise self.problem
        self.names.discard(name)

    async def remove_empty(self, keep: Collection[str]) -> None:
        self.names &= set(keep)
