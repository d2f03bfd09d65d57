"""A pod's directory on disk: volumes, /etc files, image files. Its logs lie elsewhere (`podlogs`).

<state>/pods/<namespace>_<name>_<uid>/volumes/<volume>/...
                                     /etc/hosts, hostname, resolv.conf
                                     /files/<container>/...       files that a host image brings to a read-only root
                                     /root/<container>/<n>/       what the container writes into its image's root
                                     /layers/<volume>             the layers of an image volume (plugins/image)
                                     /termination/<container>_<n> termination messages
<state>/bundle                                                    the mount point of root file systems
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence

from fairlead.api.meta.types import ObjectMeta
from fairlead.base.dataclass import dataclass
from fairlead.base.numbers import natural
from fairlead.net import linux
from fairlead.node.runtime.files.hostpath import NODE_ROOT
from fairlead.node.volumes.atomicwriter import write_file
from fairlead.node.volumes.podlogs import PodLogs, directory_name

LAYERS = "layers"
_MESSAGE_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """The contents of a host image, by the paths in the container."""

    texts: Mapping[str, str]
    links: Mapping[str, str]
    empty: Sequence[str]
    """Directories that start empty, whatever the host has there, and to which any user may write."""


class PodFiles:
    """One pod's directory below `<state>/pods`."""

    def __init__(self, state_dir: str, meta: ObjectMeta) -> None:
        self.root = f"{state_dir}/pods/{directory_name(meta)}"
        self.logs = PodLogs(state_dir, meta)
        self.node_root = f"{state_dir}/{NODE_ROOT}"

    def new_writable(self, container: str, attempt: int, layers: Sequence[str]) -> str:
        """Makes the empty directories above an image's layers, for one run of a container; returns their parent. The
        file LAYERS in it protects the layers from `fairlead image prune`."""
        folder = f"{self._writables(container)}/{attempt}"
        _remove_tree(folder)
        for name in ("upper", "work"):
            os.makedirs(f"{folder}/{name}")
        os.chmod(f"{folder}/upper", 0o755)
        write_file(f"{folder}/{LAYERS}", "".join(f"{layer}\n" for layer in layers).encode(), 0o600)
        return folder

    def fill_writable(self, folder: str, fill: Fill) -> None:
        """Writes what a host image brings into the container's upper layer."""
        upper = f"{folder}/upper"
        for path in fill.empty:
            _make_folders(upper, path)
            os.chmod(upper + path, 0o777)
            os.setxattr(upper + path, "user.overlay.opaque", b"y")
        for path, text in fill.texts.items():
            _make_folders(upper, os.path.dirname(path))
            with open(upper + path, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(upper + path, 0o755 if text.startswith("#!") else 0o644)
        for path, target in fill.links.items():
            _make_folders(upper, os.path.dirname(path))
            os.symlink(target, upper + path)

    def image_volumes(self, folder: str, paths: Sequence[str]) -> dict[str, str]:
        """Makes an empty directory for each volume of an image, which lasts as long as the container's run; returns
        the directories by their paths in the container."""
        made = {path: f"{folder}/volumes/{number}" for number, path in enumerate(paths)}
        for directory in made.values():
            os.makedirs(directory)
            os.chmod(directory, 0o755)
        return made

    def remove_writables(self, container: str, before: int) -> None:
        """Removes what the container's earlier runs have written."""
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self._writables(container)):
                if (number := natural(name)) is not None and number < before:
                    _remove_tree(f"{self._writables(container)}/{name}")

    def _writables(self, container: str) -> str:
        return f"{self.root}/root/{container}"

    def written_by(self, container: str) -> list[str]:
        """Returns the directories with what a container has written beside its volumes."""
        return [self._writables(container), self.logs.folder(container)]

    def volume(self, name: str) -> str:
        return f"{self.root}/volumes/{name}"

    def etc(self, files: Mapping[str, str]) -> str:
        """Writes the pod's own /etc files and returns their directory."""
        return self._texts("etc", files)

    def image_files(self, container: str, files: Mapping[str, str]) -> dict[str, str]:
        """Writes files by their path in the container; returns their paths on the host by the same keys."""
        folder = self._texts(f"files/{container}", {str(n): text for n, text in enumerate(files.values())})
        return {path: f"{folder}/{n}" for n, path in enumerate(files)}

    def _texts(self, folder: str, files: Mapping[str, str]) -> str:
        root = f"{self.root}/{folder}"
        os.makedirs(root, mode=0o755, exist_ok=True)
        for name, text in files.items():
            write_file(f"{root}/{name}", text.encode(), 0o755 if text.startswith("#!") else 0o644)
        return root

    def termination_log(self, container: str, attempt: int) -> str:
        """Makes the empty file to which the container may write its termination message; returns its path."""
        folder = f"{self.root}/termination"
        os.makedirs(folder, exist_ok=True)
        path = f"{folder}/{container}_{attempt}"
        write_file(path, b"", 0o666)
        return path

    def termination_message(self, container: str, attempt: int) -> str:
        try:
            with open(f"{self.root}/termination/{container}_{attempt}", "rb") as file:
                return file.read(_MESSAGE_BYTES).decode(errors="replace")
        except OSError:
            return ""

    def remove(self) -> None:
        """Unmounts all mounts below the directory, then removes it with all files, logs included."""
        volumes = f"{self.root}/volumes"
        if os.path.isdir(volumes):
            for name in os.listdir(volumes):
                if os.path.ismount(f"{volumes}/{name}"):
                    linux.umount(f"{volumes}/{name}")
        shutil.rmtree(self.root, ignore_errors=True)
        self.logs.remove()


def _make_folders(upper: str, path: str) -> None:
    for number in range(1, len(parts := path.strip("/").split("/")) + 1):
        folder = f"{upper}/{'/'.join(parts[:number])}"
        if parts != [""] and not os.path.isdir(folder):
            os.mkdir(folder)
            os.chmod(folder, 0o755)


def _remove_tree(path: str) -> None:
    """Removes what a container has written. overlayfs leaves a directory of mode 0 in `work`, which stops an ordinary
    user, but not root in the sandbox."""
    shutil.rmtree(path, ignore_errors=True)
