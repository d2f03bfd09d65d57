"""The node's log files, as its API shows them below `/logs/`: the agent's own log and those of containers.

    kubelet.log
    pods/<namespace>_<name>_<uid>/<container>/<attempt>.log

What must stay true: nothing else that lies beside the logs (volumes with secrets above all) can be named by a path.
"""

from __future__ import annotations

import html
import os
import re
import stat
from collections.abc import Sequence
from urllib.parse import quote

from fairlead.base.dataclass import dataclass
from fairlead.node.volumes.podlogs import pod_logs

_LOG = re.compile(r"[0-9]+\.log(\.[0-9]+)?", re.ASCII)
_OWN = "kubelet.log"


@dataclass(frozen=True, slots=True)
class Folder:
    """The names in a directory; those of directories end with a slash."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LogPath:
    """A log file on the host."""

    path: str


class NodeLogs:
    def __init__(self, state_dir: str, own_log: str) -> None:
        self._pods = pod_logs(state_dir)
        self._own = own_log
        """The agent's log; empty if it goes elsewhere."""

    def find(self, parts: Sequence[str]) -> Folder | LogPath | None:
        """Returns what a path names; None for anything but logs and the way to them."""
        match parts:
            case []:
                return Folder(((_OWN,) if _is_file(self._own) else ()) + ("pods/",))
            case [name] if name == _OWN and _is_file(self._own):
                return LogPath(self._own)
            case ["pods"]:
                return Folder(tuple(f"{name}/" for name in _entries(self._pods) if self._containers(name)))
            case ["pods", pod] if names := self._containers(pod):
                return Folder(tuple(f"{name}/" for name in names))
            case ["pods", pod, container] if names := self._logs(pod, container):
                return Folder(tuple(names))
            case ["pods", pod, container, name] if name in self._logs(pod, container):
                return LogPath(f"{self._folder(pod)}/{container}/{name}")
            case _:
                return None

    def _containers(self, pod: str) -> list[str]:
        if pod not in _entries(self._pods):
            return []
        return [name for name in _entries(self._folder(pod)) if self._logs(pod, name)]

    def _logs(self, pod: str, container: str) -> list[str]:
        """Checks each name against its directory, so that `..` and links lead nowhere."""
        if pod not in _entries(self._pods) or container not in _entries(self._folder(pod)):
            return []
        folder = f"{self._folder(pod)}/{container}"
        return [name for name in _entries(folder) if _LOG.fullmatch(name) and _is_file(f"{folder}/{name}")]

    def _folder(self, pod: str) -> str:
        return f"{self._pods}/{pod}"


def render_folder(folder: Folder) -> str:
    """Returns the page that lists a directory."""
    links = (f'<a href="{quote(name)}">{html.escape(name)}</a>\n' for name in folder.names)
    head = '<!doctype html>\n<meta name="viewport" content="width=device-width">\n'
    return f"{head}<pre>\n{''.join(links)}</pre>\n"


def _entries(folder: str) -> list[str]:
    """Returns the names in a directory, sorted; empty if the directory is missing or only a link."""
    try:
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            return []
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False
