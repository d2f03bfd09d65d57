"""What the zygote is told about a container: its process, its files, its rights. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.api.core.pod.container import Container
from fairlead.api.core.pod.kind import Pod
from fairlead.node.images.host import Image
from fairlead.node.runtime.privilege import CAPABILITIES, DEFAULT_CAPABILITIES
from fairlead.node.settings import NodeSettings
from fairlead.node.volumes.env import ConfigProblem

_ETC = ("hosts", "hostname", "resolv.conf")


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeBind:
    """One volume mount. The container's process opens the source itself, so that what is checked is what is mounted."""

    source: str
    """The volume's root on the host."""
    target: str
    """The path in the container."""
    read_only: bool = False
    sub_path: str = ""
    host_type: str | None = None
    """The type of a hostPath; None: the volume is the pod's own."""

    def as_spec(self) -> dict[str, Any]:
        spec = {"type": "bind", "source": self.source, "target": self.target, "ro": self.read_only}
        if self.sub_path:
            spec["sub_path"] = self.sub_path
        return spec if self.host_type is None else spec | {"host_type": self.host_type}


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


def _wants_cluster_dns(pod: Pod) -> bool:
    """With the node's network `ClusterFirst` means the node's names, unless `WithHostNet` says otherwise."""
    policy = pod.spec.dnsPolicy or "ClusterFirst"
    return policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not pod.spec.hostNetwork)


def resolv_conf(pod: Pod, settings: NodeSettings) -> str:
    """By dnsPolicy and dnsConfig. The host's own name servers cannot be reached from here: who wants them gets the
    one that stands for them."""
    servers: list[str] = []
    searches: list[str] = []
    options: dict[str, str] = {}
    if settings.cluster_dns and _wants_cluster_dns(pod):
        domain = settings.cluster_domain
        servers = [settings.cluster_dns]
        searches = [f"{pod.metadata.namespace}.svc.{domain}", f"svc.{domain}", domain, *settings.host_searches]
        options = {"ndots": "5"}
    elif settings.outside_dns and pod.spec.dnsPolicy != "None":
        servers = [settings.outside_dns]
        searches = list(settings.host_searches)
    config = pod.spec.dnsConfig
    if config is not None:
        servers += [s for s in config.nameservers if s not in servers]
        searches += [s for s in config.searches if s not in searches]
        options |= {o.name: o.value or "" for o in config.options}
    lines = [f"search {' '.join(searches)}"] if searches else []
    lines += [f"nameserver {server}" for server in servers]
    if options:
        lines.append("options " + " ".join(f"{k}:{v}" if v else k for k, v in options.items()))
    return "".join(line + "\n" for line in lines) or "# This cluster has no DNS service.\n"
