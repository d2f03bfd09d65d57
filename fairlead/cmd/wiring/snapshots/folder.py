"""A snapshot on the disk.

<cluster>/snapshots/<name>/snapshot.json   what it is (`Snapshot`)
                          /objects.json    the objects by their keys in the store
                          /volumes/...     volumes, by their paths below the cluster's folder

A snapshot is made in a folder beside it, whose name begins with a dot, and renamed when it is complete.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from fairlead.base.dataclass import dataclass

FORMAT = 1
_NAME = re.compile("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?").fullmatch
_DESCRIPTION, _OBJECTS, _VOLUMES = "snapshot.json", "objects.json", "volumes"


class SnapshotError(Exception):
    """A snapshot cannot be used; the text says why and what to do."""


class NoSuchSnapshot(SnapshotError):
    """A snapshot of this name does not exist."""


class Snapshot(msgspec.Struct, frozen=True, omit_defaults=True):
    """The description of a snapshot."""

    name: str
    created: str
    objects: int
    volumes: int
    bytes: int
    """Size of the files of volumes."""
    revision: int
    fairlead: str = ""
    """The version of Fairlead that made it."""
    format: int = FORMAT


def check_name(name: str) -> None:
    """Raises SnapshotError if a snapshot cannot have the name."""
    if not _NAME(name):
        raise SnapshotError(f'invalid name "{name}": expected at most 63 letters a-z, digits and dashes')


@dataclass(frozen=True, slots=True)
class Folder:
    """One snapshot, complete or being made."""

    root: Path

    @property
    def volumes(self) -> Path:
        return self.root / _VOLUMES

    def describe(self) -> Snapshot:
        """Returns the description. Raises NoSuchSnapshot, SnapshotError."""
        name = self.root.name
        try:
            snapshot = msgspec.json.decode((self.root / _DESCRIPTION).read_bytes(), type=Snapshot)
        except FileNotFoundError as e:
            raise NoSuchSnapshot(f'there is no snapshot "{name}"; `fairlead snapshot list` shows all') from e
        except (OSError, msgspec.MsgspecError) as e:
            raise SnapshotError(f'snapshot "{name}" is damaged ({e}); delete {self.root}') from e
        if snapshot.format > FORMAT:
            raise SnapshotError(
                f'snapshot "{name}" was made by a newer release, {snapshot.fairlead}; use that or a later one'
            )
        return snapshot

    def read_objects(self) -> dict[str, bytes]:
        """Returns the objects by their keys. Raises SnapshotError."""
        try:
            found = msgspec.json.decode((self.root / _OBJECTS).read_bytes(), type=dict[str, msgspec.Raw])
        except (OSError, msgspec.MsgspecError) as e:
            raise SnapshotError(f'snapshot "{self.root.name}" is damaged ({e}); delete {self.root}') from e
        return {key: bytes(value) for key, value in found.items()}

    def write(self, snapshot: Snapshot, objects: Mapping[str, bytes]) -> None:
        """Writes the objects, then the description. Raises OSError."""
        raw = {key: msgspec.Raw(value) for key, value in objects.items()}
        (self.root / _OBJECTS).write_bytes(msgspec.json.encode(raw))
        (self.root / _DESCRIPTION).write_bytes(msgspec.json.encode(snapshot))


class Folders:
    """All snapshots of a cluster."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def of(self, name: str) -> Folder:
        """Returns the folder of a snapshot that may not exist. Raises SnapshotError for an invalid name."""
        check_name(name)
        return Folder(self.root / name)

    def begin(self, name: str) -> Folder:
        """Makes an empty folder for a new snapshot. Raises OSError, SnapshotError."""
        self.of(name)
        folder = Folder(self.root / f".{name}")
        shutil.rmtree(folder.root, ignore_errors=True)
        self.root.mkdir(mode=0o700, exist_ok=True)
        folder.root.mkdir(mode=0o700)
        return folder

    def finish(self, name: str) -> None:
        """Gives a new snapshot its name; an older one of that name is deleted. Raises OSError."""
        self.delete(name)
        os.rename(self.root / f".{name}", self.root / name)

    def delete(self, name: str) -> bool:
        """Deletes a snapshot; returns False if it does not exist. Raises OSError, SnapshotError."""
        root, away = self.of(name).root, self.root / f"..{name}"
        shutil.rmtree(away, ignore_errors=True)
        try:
            os.rename(root, away)  # at once, so that readers never find a part of the snapshot
        except FileNotFoundError:
            return False
        shutil.rmtree(away)
        return True

    def all(self) -> list[Snapshot]:
        """Returns the complete snapshots, by name. Raises SnapshotError if one is damaged."""
        try:
            names = sorted(os.listdir(self.root))
        except FileNotFoundError:
            return []
        return [found for name in names if not name.startswith(".") and (found := self._existing(name)) is not None]

    def _existing(self, name: str) -> Snapshot | None:
        """Returns the description, or None if another process has deleted the snapshot."""
        try:
            return Folder(self.root / name).describe()
        except NoSuchSnapshot:
            if (self.root / name).exists():
                raise
            return None
