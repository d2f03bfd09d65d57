"""Replaces a volume's files all at once, as upstream does.

The files lie in a directory with the time in its name, and the link `..data` points to that directory. Programs open
links that lead through `..data`.
"""

from __future__ import annotations

import contextlib
import os
import shutil

from fairlead.node.volumes.contents import Files


def write_volume(root: str, files: Files, *, stamp: str, group: int | None = None) -> str:
    """Replaces the volume's files by these, if they differ; returns the root. They belong to `group`, which may read
    them."""
    os.makedirs(root, mode=0o755, exist_ok=True)
    current = os.path.join(root, "..data")
    if os.path.lexists(current) and _same(current, files):
        return root
    fresh = f"..{stamp}"
    for path, file in sorted(files.items()):
        at = os.path.join(root, fresh, path)
        os.makedirs(os.path.dirname(at), mode=0o755, exist_ok=True)
        write_file(at, file.data, file.mode if group is None else file.mode | (file.mode & 0o400) >> 3)
        set_group(at, group)
    os.makedirs(os.path.join(root, fresh), mode=0o755, exist_ok=True)
    old = os.readlink(current) if os.path.lexists(current) else ""
    _link(fresh, current)
    tops = {path.partition("/")[0] for path in files}
    for top in tops:
        _link(f"..data/{top}", os.path.join(root, top))
    for gone in set(os.listdir(root)) - tops:
        if not gone.startswith(".."):
            os.unlink(os.path.join(root, gone))
    if old:
        shutil.rmtree(os.path.join(root, old), ignore_errors=True)
    return root


def _same(current: str, files: Files) -> bool:
    content = {}
    for folder, _, names in os.walk(current):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                content[os.path.relpath(path, current)] = file.read()
    return content == {path: file.data for path, file in files.items()}


def write_file(path: str, data: bytes, mode: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        os.fchmod(fd, mode)


def set_group(path: str, group: int | None) -> None:
    """Gives the path to a group if this process may: with one id mapped there is only one group."""
    if group is not None:
        with contextlib.suppress(OSError):
            os.chown(path, -1, group)


def _link(target: str, at: str) -> None:
    fresh = at + ".new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(fresh)
    os.symlink(target, fresh)
    os.rename(fresh, at)
