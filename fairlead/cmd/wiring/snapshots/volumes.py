"""Copies and empties the volumes of a cluster.

Volumes are directories below the cluster's folder: those of Pods (`nodes/<node>/pods/<pod>/volumes`) and those of the
provisioner (`volumes`). Volumes in memory (emptyDir with medium Memory) are other file systems; they are not copied.

Copies are made by `cp -a`, which keeps owners, times, holes, links and extended attributes, and shares blocks if the
file system can (btrfs, XFS).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from fairlead.cmd.wiring.snapshots.plan import PODS

PROVISIONED = "volumes"
"""The folder of `Paths.volumes`."""


class CopyError(Exception):
    """A volume could not be copied."""


def folders_of(objects: Mapping[str, bytes]) -> list[str]:
    """Returns the folders of the volumes of all Pods and of the provisioner, below the cluster's folder."""
    pods = [folder for key, value in objects.items() if key.startswith(PODS) and (folder := _folder_of(value))]
    return [*sorted(pods), PROVISIONED]


def _folder_of(value: bytes) -> str:
    pod: dict[str, Any] = msgspec.json.decode(value)
    meta, node = pod["metadata"], pod["spec"].get("nodeName", "")
    name = f"{meta.get('namespace')}_{meta['name']}_{meta.get('uid')}"
    return f"nodes/{node}/pods/{name}/volumes" if node and pod["spec"].get("volumes") else ""


def check_inside(source: Path, folders: Iterable[str]) -> None:
    """Raises CopyError if a folder is reached through a link or `..`, as in a snapshot from elsewhere."""
    top = source.resolve()
    for folder in folders:
        if (top / folder).resolve() != Path(f"{top}/{folder}") or ".." in folder.split("/"):
            raise CopyError(f"the snapshot is damaged: {source / folder} leads to another place; delete the snapshot")


def copy(source: Path, target: Path, folders: Iterable[str]) -> list[str]:
    """Copies the folders that exist; returns them. Raises CopyError."""
    copied = []
    for folder in folders:
        if not (source / folder).is_dir():
            continue
        to = target / folder
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(to, ignore_errors=True)
        done = subprocess.run(
            ["cp", "-a", "-x", "--reflink=auto", "--", str(source / folder), str(to)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode and "cannot stat" not in done.stderr:  # a file that went meanwhile: nothing was paused
            raise CopyError(f"cannot copy {source / folder}: {done.stderr.strip().splitlines()[-1]}")
        copied.append(folder)
    return copied


def empty(root: Path, folder: str) -> None:
    """Deletes the contents of a folder. Raises OSError."""
    if (root / folder).is_dir():
        for entry in os.scandir(root / folder):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)


def size_of(folder: Path) -> int:
    """Returns the sum of the files' sizes in bytes; a file that disappears meanwhile does not count."""
    return sum(_file_size(os.path.join(path, name)) for path, _, names in os.walk(folder) for name in names)


def _file_size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except FileNotFoundError:
        return 0
