"""The layers that a container of a host image has above the host's files: what they hide, and what they bring.

Standard library only: this runs in a forked child of the zygote.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from fairlead.node.runtime.files.imageroot import copy_file, is_opaque
from fairlead.node.runtime.files.safepath import parts_of
from fairlead.node.runtime.protocol.containerspec import ImageRoot


def replaced(above: ImageRoot | None, path: str) -> bool:
    """Returns True if a layer above the host's hides what the host has at the path: by a file there, or by an opaque
    directory there or above."""
    layers = (f"{above.writable}/upper", *above.layers) if above else ()
    for layer in layers:
        at = layer
        for name in parts_of(path):
            at += f"/{name}"
            if is_opaque(at):
                return True
        if os.path.lexists(at) and not os.path.isdir(at):
            return True
    return False


def own_files(above: ImageRoot, path: str) -> Iterator[tuple[str, str]]:
    """Yields the files that the upper layer has below a directory, and its opaque directories as a whole: each with its
    path in the container."""
    upper = f"{above.writable}/upper"
    for entry in os.scandir(upper + path) if os.path.isdir(upper + path) else ():
        shown = f"{path}/{entry.name}"
        if entry.is_dir(follow_symlinks=False) and not is_opaque(entry.path):
            yield from own_files(above, shown)
        elif not entry.is_symlink():
            yield entry.path, shown


def copy_entry(entry: os.DirEntry[str], shown: str) -> None:
    if entry.is_symlink():
        os.symlink(os.readlink(entry.path), shown)
        return
    copy_file(entry.path, shown)
    os.chmod(shown, stat.S_IMODE(entry.stat().st_mode))
