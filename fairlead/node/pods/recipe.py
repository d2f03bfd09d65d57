"""What the zygote is told about a container: its process, its files, its rights. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.api.core.pod.container import Container
from fairlead.api.core.pod.kind import Pod
from fairlead.node.env.environment import ConfigProblem
from fairlead.node.images.host import Image
from fairlead.node.runtime.privilege import CAPABILITIES, DEFAULT_CAPABILITIES
from fairlead.node.settings import NodeSettings
from fairlead.node.volumes.podfiles import VolumeBind

_ETC = ("hosts", "hostname", "resolv.conf")


@dataclass(frozen=True, slots=True)
class Places:
    """Where on the host the container's files lie."""

    etc: str
    image_files: Mapping[str, str]
    """By path in the container."""
    end_file: str
    volumes: Sequence[VolumeBind]


def stage(settings: NodeSettings) -> str:
    """The directory on which root file systems are put together, each in a mount namespace of its own."""
    return f"{settings.state_dir}/stage"


def make_recipe(
    pod: Pod,
    container: Container,
    image: Image,
    *,
    process: tuple[Sequence[str], Mapping[str, str]],
    places: Places,
    settings: NodeSettings,
) -> dict[str, Any]:
    """Raises ConfigProblem where what the manifest asks for cannot be."""
    argv, env = process
    if not argv:
        raise ConfigProblem("no command specified")
    security = container.securityContext
    uid, gid, groups = _user(pod, container)
    return {
        "stage": stage(settings),
        "argv": list(argv),
        "env": {"HOME": "/" if uid else "/root", **env},
        "cwd": container.workingDir or "/",
        "tty": container.tty,
        "stdin": container.stdin,
        "stdin_once": container.stdinOnce,
        "uid": uid,
        "gid": gid,
        "groups": groups,
        "single_id": settings.single_id,
        "capabilities": capabilities(container),
        "privileged": bool(security and security.privileged),
        "read_only": bool(security and security.readOnlyRootFilesystem),
        "hide": list(settings.hide),
        "homes": list(settings.homes),
        "expose": list(image.expose),
        "image_mounts": _image_mounts(image, places),
        "mounts": _mounts(container, places),
    }


def _image_mounts(image: Image, places: Places) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"type": "tmpfs", "target": path, "mode": "777"} for path in image.writable]
    for target, source in places.image_files.items():
        found.append({"type": "bind", "source": source, "target": target, "ro": True})
    return found


def _mounts(container: Container, places: Places) -> list[dict[str, Any]]:
    taken = {volume.target.rstrip("/") for volume in places.volumes}
    found: list[dict[str, Any]] = [
        {"type": "bind", "source": f"{places.etc}/{name}", "target": f"/etc/{name}", "optional": True}
        for name in _ETC
        if f"/etc/{name}" not in taken
    ]
    if places.end_file:
        path = container.terminationMessagePath or "/dev/termination-log"
        found.append({"type": "bind", "source": places.end_file, "target": path})
    return found + [volume.as_spec() for volume in places.volumes]


def _user(pod: Pod, container: Container) -> tuple[int, int, list[int]]:
    of_pod, own = pod.spec.securityContext, container.securityContext
    uid = own.runAsUser if own and own.runAsUser is not None else of_pod.runAsUser if of_pod else None
    gid = own.runAsGroup if own and own.runAsGroup is not None else of_pod.runAsGroup if of_pod else None
    no_root = own.runAsNonRoot if own and own.runAsNonRoot is not None else of_pod.runAsNonRoot if of_pod else None
    if no_root and not uid:
        where = f'pod: "{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})"'
        text = "container has runAsNonRoot and image will run as root"
        raise ConfigProblem(f"{text} ({where}, container: {container.name})")
    groups = [*of_pod.supplementalGroups] if of_pod else []
    if of_pod and of_pod.fsGroup is not None:
        groups.append(of_pod.fsGroup)
    return uid or 0, gid or 0, groups


def capabilities(container: Container) -> list[str]:
    """The default ones and `add`, without `drop`; all where the container is privileged."""
    security = container.securityContext
    if security and security.privileged:
        return list(CAPABILITIES)
    asked = security.capabilities if security else None
    if asked is None:
        return list(DEFAULT_CAPABILITIES)
    drop = {_bare(name) for name in asked.drop}
    add = {_bare(name) for name in asked.add}
    kept = set() if "ALL" in drop else set(DEFAULT_CAPABILITIES) - drop
    kept |= set(CAPABILITIES) if "ALL" in add else add & set(CAPABILITIES)
    return sorted(kept, key=lambda name: CAPABILITIES[name])


def _bare(name: str) -> str:
    return name.upper().removeprefix("CAP_")
