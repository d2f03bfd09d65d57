"""Notices that the files of fairlead were replaced while a cluster runs, as `pip install --upgrade` does.

A process of the cluster keeps the modules that it has and imports new ones for its later needs. If it is started again,
it may fail each time, because the two releases do not fit together.
"""

from __future__ import annotations

import os

from fairlead.base.dataclass import dataclass

_FOLDER = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@dataclass(frozen=True, slots=True)
class Installation:
    """The folder of the package, and what identifies its files. Both are empty in records of older releases."""

    folder: str = ""
    mark: str = ""

    def is_replaced(self) -> bool:
        """Returns True if the folder has other files now, or none."""
        return bool(self.mark) and self.mark != _mark(self.folder)


def installation(folder: str = _FOLDER) -> Installation:
    """Returns the installation as it is now."""
    return Installation(folder, _mark(folder))


def _mark(folder: str) -> str:
    """Identifies the package's first file, which an upgrade always replaces; empty if it cannot be read."""
    try:
        status = os.stat(f"{folder}/__init__.py")
    except OSError:
        return ""
    return f"{status.st_ino}.{status.st_mtime_ns}.{status.st_size}"


def upgraded(cluster: str) -> str:
    """Returns the line about a cluster whose program was replaced."""
    name = "" if cluster == "default" else f" --name {cluster}"
    return f"Fairlead was upgraded since this cluster started: run `fairlead down{name}` and `fairlead up{name}`"
