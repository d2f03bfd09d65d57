"""The log files of a node's Pods, in the folder that containers see as the node's /var/log.

<state>/machine/var/log/pods/<namespace>_<name>_<uid>/<container>/<n>.log
                       /containers/<name>_<namespace>_<container>-<id>.log   links to the former, as /var/log/pods/...

Collectors of logs read both from a hostPath (`runtime/hostpath`). The layout and the lines are those of the container
runtime interface. Rejected: the logs in the Pod's directory and a view of them, since a mount that shows Pods as they
come and go would have to be changed in every container that has it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Container, Iterator

from fairlead.api.meta.types import ObjectMeta
from fairlead.base.numbers import natural
from fairlead.node.runtime.files.hostpath import CONTAINER_LOGS, NODE_ROOT, POD_LOGS

_LONGEST_NAME = 255 - len(".log")
"""The file system's limit of a name (ext4, NAME_MAX)."""


def directory_name(meta: ObjectMeta) -> str:
    return f"{meta.namespace}_{meta.name}_{meta.uid}"


class PodLogs:
    """The logs of one Pod."""

    def __init__(self, state_dir: str, meta: ObjectMeta) -> None:
        name = directory_name(meta)
        self.root = f"{pod_logs(state_dir)}/{name}"
        self._inside = f"{POD_LOGS}/{name}"
        """The same directory as containers see it."""
        self._links = f"{state_dir}/{NODE_ROOT}{CONTAINER_LOGS}"
        self._prefix = f"{meta.name}_{meta.namespace}_"

    def path(self, container: str, attempt: int) -> str:
        return f"{self.folder(container)}/{attempt}.log"

    def folder(self, container: str) -> str:
        return f"{self.root}/{container}"

    def new(self, container: str, attempt: int, run: str) -> str:
        """Makes room for the log of the run with the id `run`; returns its path. Of older runs only the last one's log
        is kept."""
        _make(self.root)
        _make(self.folder(container))
        for name in os.listdir(self.folder(container)):
            number = natural(name.partition(".")[0])
            if number is not None and number < attempt - 1:
                with contextlib.suppress(FileNotFoundError):  # a collector of logs may have removed the file
                    os.unlink(f"{self.folder(container)}/{name}")
                self._unlink(f"{self._inside}/{container}/{name}")
        link = f"{self._prefix}{container}-{run}"[:_LONGEST_NAME] + ".log"
        target = f"{self._inside}/{container}/{attempt}.log"
        self._unlink(target)  # of a run that could not be started
        with contextlib.suppress(OSError):  # without the link only collectors of logs miss something
            os.symlink(target, f"{self._links}/{link}")
        return self.path(container, attempt)

    def remove(self) -> None:
        self._unlink(f"{self._inside}/")
        shutil.rmtree(self.root, ignore_errors=True)

    def _unlink(self, start: str) -> None:
        """Removes the links whose targets start with a text."""
        for link in self._own_links():
            with contextlib.suppress(OSError):
                if os.readlink(link).startswith(start):
                    os.unlink(link)

    def _own_links(self) -> Iterator[str]:
        with contextlib.suppress(OSError):
            names = [name for name in os.listdir(self._links) if name.startswith(self._prefix)]
            yield from (f"{self._links}/{name}" for name in names)


def pod_logs(state_dir: str) -> str:
    """Returns the folder with a directory for each Pod."""
    return f"{state_dir}/{NODE_ROOT}{POD_LOGS}"


def prepare(state_dir: str) -> None:
    """Makes the node's folders, and moves the logs of Pods there that an older release kept beside their volumes."""
    for path in ("", "/var", "/var/log", POD_LOGS, CONTAINER_LOGS):
        _make(f"{state_dir}/{NODE_ROOT}{path}")
    with contextlib.suppress(FileNotFoundError):
        for name in os.listdir(f"{state_dir}/pods"):
            with contextlib.suppress(OSError):
                os.rename(f"{state_dir}/pods/{name}/logs", f"{pod_logs(state_dir)}/{name}")


def remove_stale(state_dir: str, keep: Container[str]) -> None:
    """Removes the logs of all Pods but those whose directory is named."""
    for name in os.listdir(pod_logs(state_dir)):
        if name not in keep:
            shutil.rmtree(f"{pod_logs(state_dir)}/{name}", ignore_errors=True)
    links = f"{state_dir}/{NODE_ROOT}{CONTAINER_LOGS}"
    for name in os.listdir(links):
        with contextlib.suppress(OSError):
            if os.readlink(f"{links}/{name}").removeprefix(f"{POD_LOGS}/").partition("/")[0] not in keep:
                os.unlink(f"{links}/{name}")


def _make(path: str) -> None:
    """Makes a directory that every user may list; log files are private to their owner and group."""
    with contextlib.suppress(FileExistsError):
        os.mkdir(path)
        os.chmod(path, 0o755)
