"""Collects what a bug report needs into one archive: state, logs, objects, events, rules and versions, without secrets.

A part that cannot be read becomes a file with the reason; the others are collected all the same.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import platform
import sys
import tarfile
from collections.abc import Callable, Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from fairlead import __version__
from fairlead.base.codec import encode
from fairlead.base.dataclass import dataclass
from fairlead.cli.api import Api, Tree
from fairlead.cmd.cluster import config as settings
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.paths import Paths
from fairlead.cmd.reports.redaction import redact_object, redact_text

_LOG_BYTES = 2 * 1024 * 1024
"""Greatest part of a log, its end, that is collected."""
_SKIPPED = frozenset(("events", "tokenreviews"))


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the archive."""

    name: str
    make: Callable[[], str]


def write_archive(path: Path, folder: str, parts: Iterator[Part], *, now_s: float) -> list[str]:
    """Writes the archive, mode 0600, and returns a line for each part that could not be read. Raises OSError."""
    failures = []
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for part in parts:
            name, content = part.name, ""
            try:
                content = part.make()
            except Exception as e:  # noqa: BLE001 -- whatever is broken is why the bundle is made
                failures.append(f"{part.name}: {e}")
                name, content = f"{part.name}.error", f"{type(e).__name__}: {e}\n"
            data = content.encode(errors="replace")
            info = tarfile.TarInfo(f"{folder}/{name}")
            info.size, info.mtime, info.mode = len(data), int(now_s), 0o600
            archive.addfile(info, io.BytesIO(data))
    return failures


def host_parts() -> Iterator[Part]:
    """Yields the versions of programs and of the machine."""
    yield Part("versions.txt", _versions)
    yield Part("host.txt", _host)


def state_parts(paths: Paths, describe: Callable[[], Tree]) -> Iterator[Part]:
    """Yields the settings, the processes and the logs of a cluster."""
    yield Part("status.json", lambda: _json(describe()))
    yield Part("config.json", lambda: _json(encode(ClusterConfig, settings.load(paths))))
    yield Part("files.txt", lambda: _files(paths.root))
    for log in sorted(paths.logs.glob("*.log*")) if paths.logs.is_dir() else []:
        yield Part(f"logs/{log.name}", lambda log=log: redact_text(_tail(log)))  # type: ignore[misc]


def object_parts(api: Api) -> Iterator[Part]:
    """Yields the objects of every kind that can be listed, and the events as lines."""
    resources: list[tuple[str, str, str]] = []
    yield Part("api-resources.txt", lambda: _discover(api, resources))
    for path, name, kind in resources:
        yield Part(f"objects/{name}.json", lambda path=path, kind=kind: _list(api, path, kind))  # type: ignore[misc]
    yield Part("events.txt", lambda: _events(api))


def _discover(api: Api, resources: list[tuple[str, str, str]]) -> str:
    """Fills `resources` with path, name and kind of each resource that can be listed; returns them as lines."""
    groups = api.get("/apis")["groups"]
    prefixes = ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups)]
    for prefix in prefixes:
        for one in api.get(prefix)["resources"]:
            if "list" in one["verbs"] and "/" not in one["name"] and one["name"] not in _SKIPPED:
                group = prefix.split("/")[2] if prefix.startswith("/apis/") else ""
                name = f"{one['name']}.{group}" if group else one["name"]
                resources.append((f"{prefix}/{one['name']}", name, one["kind"]))
    return "".join(f"{path}\n" for path, _, _ in resources)


def _list(api: Api, path: str, kind: str) -> str:
    return _json([redact_object(one, kind) for one in api.get(path)["items"]])


def _events(api: Api) -> str:
    events = api.get("/api/v1/events")["items"]
    events.sort(key=lambda one: one.get("lastTimestamp") or one.get("eventTime") or "")
    return redact_text("".join(f"{_event(one)}\n" for one in events))


def _event(event: Tree) -> str:
    about = event["involvedObject"]
    place = f"{about.get('namespace', '-')} {about.get('kind', '')}/{about.get('name', '')}"
    time = event.get("lastTimestamp") or event.get("eventTime") or "-"
    count = event.get("count", 1)
    return f"{time} {event.get('type')} {event.get('reason')} {place}: {event.get('message', '')} (x{count})"


def _versions() -> str:
    installed = sorted((one.metadata["Name"] or "", one.version) for one in distributions())
    head = f"fairlead {__version__}\npython {sys.version}\n"
    return head + "".join(f"{name} {version}\n" for name, version in installed)


def _host() -> str:
    lines = [" ".join(platform.uname()), f"uid {os.getuid()}, processors {os.cpu_count()}"]
    for path in (
        "/etc/os-release",
        "/proc/meminfo",
        "/proc/self/uid_map",
        "/proc/self/cgroup",
        "/proc/sys/user/max_user_namespaces",
        "/proc/sys/kernel/unprivileged_userns_clone",
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "/proc/mounts",
    ):
        try:
            lines.append(f"== {path}\n{Path(path).read_text().rstrip()}")
        except OSError as e:
            lines.append(f"== {path}: {e.strerror}")
    return redact_text("\n".join(lines) + "\n")


def _files(root: Path) -> str:
    """Returns the names, sizes and modes of the cluster's files; not their contents, and nothing of volumes.

    The cluster goes on meanwhile: files that disappear during the walk are left out.
    """
    lines = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(one for one in folders if one not in ("volumes", "snapshots"))
        for name in sorted(names):
            path = Path(folder, name)
            with contextlib.suppress(FileNotFoundError):
                state = path.lstat()
                lines.append(f"{state.st_mode:o} {state.st_size:>10} {path.relative_to(root)}")
    return "\n".join(lines) + "\n"


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _LOG_BYTES))
        return file.read().decode(errors="replace")


def _json(tree: Any) -> str:
    return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"
