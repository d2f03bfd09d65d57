"""A pod's directory on disk: volumes, /etc files, image files, logs.

    <state>/pods/<namespace>_<name>_<uid>/volumes/<volume>/...
                                         /etc/hosts, hostname, resolv.conf
                                         /files/<container>/...       files that the image lays over the host's
                                         /termination/<container>_<n> termination messages
                                         /<container>/<n>.log
    <state>/bundle                                                    where root file systems are put together

Files from the API are replaced all at once, as upstream does: they lie in a directory with the time in its name, the
link `..data` points to it, and what programs open are links through `..data`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence

from fairlead.api.core.pod.volume import EmptyDirVolumeSource, HostPathVolumeSource
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.numbers import natural
from fairlead.machinery.quantity import whole
from fairlead.net import linux
from fairlead.node.runtime.containerspec import Mount
from fairlead.node.runtime.hostpath import open_host_path, open_source
from fairlead.node.runtime.safepath import PathProblem
from fairlead.node.volumes.volumes import Files, VolumeProblem

_MESSAGE_BYTES = 4096


def directory_name(meta: ObjectMeta) -> str:
    return f"{meta.namespace}_{meta.name}_{meta.uid}"


class PodFiles:
    """One pod's directory below `<state>/pods`."""

    def __init__(self, state_dir: str, meta: ObjectMeta) -> None:
        self.root = f"{state_dir}/pods/{directory_name(meta)}"

    def log_path(self, container: str, attempt: int) -> str:
        return f"{self.root}/{container}/{attempt}.log"

    def new_log(self, container: str, attempt: int) -> str:
        """Where a new run logs. Of older runs only the last one's log is kept."""
        os.makedirs(f"{self.root}/{container}", exist_ok=True)
        self._remove_old_logs(container, attempt)
        return self.log_path(container, attempt)

    def _remove_old_logs(self, container: str, attempt: int) -> None:
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(f"{self.root}/{container}"):
                number = natural(name.partition(".")[0])
                if number is not None and number < attempt - 1:
                    os.unlink(f"{self.root}/{container}/{name}")

    def volume(self, name: str) -> str:
        return f"{self.root}/volumes/{name}"

    def write_volume(self, name: str, files: Files, *, stamp: str, group: int | None = None) -> str:
        """Replaces the volume's files by these, where they differ. They belong to `group`, which may read them."""
        root = self.volume(name)
        os.makedirs(root, mode=0o755, exist_ok=True)
        current = os.path.join(root, "..data")
        if os.path.lexists(current) and _same(current, files):
            return root
        fresh = f"..{stamp}"
        for path, file in sorted(files.items()):
            at = os.path.join(root, fresh, path)
            os.makedirs(os.path.dirname(at), mode=0o755, exist_ok=True)
            _write(at, file.data, file.mode if group is None else file.mode | (file.mode & 0o400) >> 3)
            _give(at, group)
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

    def empty_dir(self, name: str, source: EmptyDirVolumeSource, *, group: int | None = None) -> str:
        root = self.volume(name)
        if not os.path.isdir(root):
            os.makedirs(root)
            os.chmod(root, 0o777)
            if source.medium == "Memory":
                size = f",size={whole(str(source.sizeLimit))}" if source.sizeLimit else ""
                linux.mount("emptydir", root, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, f"mode=1777{size}")
            if group is not None:
                _give(root, group)
                os.chmod(root, 0o2777)
        return root

    def etc(self, files: Mapping[str, str]) -> str:
        """Writes the pod's own /etc files and returns their directory."""
        return self._texts("etc", files)

    def image_files(self, container: str, files: Mapping[str, str]) -> dict[str, str]:
        """Writes files by their path in the container; returns where they lie by that path."""
        folder = self._texts(f"files/{container}", {str(n): text for n, text in enumerate(files.values())})
        return {path: f"{folder}/{n}" for n, path in enumerate(files)}

    def _texts(self, folder: str, files: Mapping[str, str]) -> str:
        root = f"{self.root}/{folder}"
        os.makedirs(root, mode=0o755, exist_ok=True)
        for name, text in files.items():
            _write(f"{root}/{name}", text.encode(), 0o644)
        return root

    def termination_log(self, container: str, attempt: int) -> str:
        """Makes the empty file to which the container may write its termination message; returns its path."""
        folder = f"{self.root}/termination"
        os.makedirs(folder, exist_ok=True)
        path = f"{folder}/{container}_{attempt}"
        _write(path, b"", 0o666)
        return path

    def termination_message(self, container: str, attempt: int) -> str:
        try:
            with open(f"{self.root}/termination/{container}_{attempt}", "rb") as file:
                return file.read(_MESSAGE_BYTES).decode(errors="replace")
        except OSError:
            return ""

    def remove(self) -> None:
        """Everything, logs included; what is mounted is unmounted first."""
        volumes = f"{self.root}/volumes"
        if os.path.isdir(volumes):
            for name in os.listdir(volumes):
                if os.path.ismount(f"{volumes}/{name}"):
                    linux.umount(f"{volumes}/{name}")
        shutil.rmtree(self.root, ignore_errors=True)


def host_path(source: HostPathVolumeSource, hidden: Sequence[str]) -> str:
    """Checks what a hostPath names, and makes it if its type says so. Raises VolumeProblem with upstream's text."""
    try:
        os.close(open_host_path(source.path, source.type or "", [os.path.realpath(path) for path in hidden]))
    except PathProblem as error:
        raise VolumeProblem(str(error)) from error
    return source.path


def check_mount(mount: Mount, hidden: Sequence[str]) -> None:
    """Opens a volume mount's source as its container will, for an error that the pod's events can show; makes the
    directories of a subPath. Raises VolumeProblem."""
    try:
        os.close(open_source(mount, [os.path.realpath(path) for path in hidden]))
    except (PathProblem, OSError) as error:
        raise VolumeProblem(str(error)) from error


def _same(current: str, files: Files) -> bool:
    found = {}
    for folder, _, names in os.walk(current):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, current)] = file.read()
    return found == {path: file.data for path, file in files.items()}


def _write(path: str, data: bytes, mode: int) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        os.fchmod(fd, mode)


def _give(path: str, group: int | None) -> None:
    """To a group, where this process may: with one id mapped there is only one group."""
    if group is not None:
        with contextlib.suppress(OSError):
            os.chown(path, -1, group)


def _link(target: str, at: str) -> None:
    fresh = at + ".new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(fresh)
    os.symlink(target, fresh)
    os.rename(fresh, at)
