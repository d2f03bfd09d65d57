"""Starts one container: image, environment, files, process. What goes wrong comes out as one of three exceptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from fairlead.api.core.pod.container import Container
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.status import HostIP, PodIP
from fairlead.base.instant import Instant
from fairlead.base.numbers import natural
from fairlead.node.env.environment import command_line, container_environment, service_variables
from fairlead.node.images.catalogue import render_file
from fairlead.node.images.host import PATH, Image
from fairlead.node.pods import recipe as recipes
from fairlead.node.pods.etcfiles import etc_files, kernel_hostname
from fairlead.node.pods.material import Material, mounts_of
from fairlead.node.pods.shared import Shared
from fairlead.node.runtime.wire import Message
from fairlead.node.settings import NodeSettings
from fairlead.node.volumes.podfiles import PodFiles

_SERVERS_RUN_AS = ("nginx", "www-data", "nobody")


@dataclass(frozen=True, slots=True)
class Job:
    """A container to be started."""

    pod: Pod
    container: Container
    attempt: int
    backoff_s: float
    ips: tuple[str, ...]
    id: str
    target: str = ""
    """The running container whose processes it shares; empty: it has a process namespace of its own."""


@dataclass(frozen=True, slots=True)
class Started:
    at: Instant
    port: int | None
    """What answers when the program is up, where that is known."""


async def start(shared: Shared, job: Job, image: Image, files: PodFiles, material: Material) -> Started:
    """Raises ConfigProblem, VolumeProblem, or ZygoteError where it could not be started."""
    recipe = _recipe(shared, job, image, files, material)
    meta: dict[str, Any] = {
        "uid": job.pod.metadata.uid,
        "container": job.container.name,
        "attempt": job.attempt,
        "backoff_s": job.backoff_s,
        "image": job.container.image,
        "image_id": image.id,
        "stop_signal": image.stop_signal,
    }
    log = files.new_log(job.container.name, job.attempt)
    told = await shared.zygote.start_container(
        job.id, sandbox=job.pod.metadata.uid, recipe=recipe, log=log, meta=meta, target=job.target
    )
    return Started(Instant(told["started"]), _port(image, recipe))


def _port(image: Image, recipe: Message) -> int | None:
    """`fairlead/web` takes its port from its argument or its environment."""
    text = image.listens
    if image.names_pod:
        last = recipe["argv"][-1]
        text = last if natural(last) is not None else recipe["env"].get("PORT", text)
    return natural(text)


def _recipe(shared: Shared, job: Job, image: Image, files: PodFiles, material: Material) -> dict[str, Any]:
    settings, container = with_domain(shared.settings), job.container
    pod = with_addresses(job.pod, job.ips, settings.ips)
    env = {"PATH": PATH, "HOSTNAME": kernel_hostname(pod, settings), **image.env, **_own_variables(shared, pod, image)}
    if container.tty:
        env["TERM"] = "xterm"
    services = service_variables(
        list(shared.services.items.values()), pod.metadata.namespace, links=pod.spec.enableServiceLinks is not False
    )
    env |= container_environment(pod, container, services=services, data=material.data, allocatable=shared.allocatable)
    argv = command_line(container, image.command, image.args, env)
    values = {
        "pod": pod.metadata.name,
        "node": settings.name,
        "ip": job.ips[0],
        "image": container.image,
        "worker_user": _server_user(),
        "if_ipv6": "" if any(":" in ip for ip in job.ips) else "#",
    }
    image_files = {path: render_file(text, values) for path, text in image.files.items()}
    places = recipes.Places(
        etc=files.etc(etc_files(pod, job.ips, settings, node_hosts=_node_hosts(pod))),
        image_files=files.image_files(container.name, image_files),
        end_file=files.end_file(container.name, job.attempt),
        volumes=mounts_of(container, material, env, pod=pod, hidden=settings.hide),
    )
    return recipes.make_recipe(pod, container, image, process=(argv, env), places=places, settings=settings)


def _node_hosts(pod: Pod) -> str:
    """The machine's hosts file, which pods on their node's network share."""
    if not pod.spec.hostNetwork:
        return ""
    try:
        with open("/etc/hosts", encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def with_domain(settings: NodeSettings) -> NodeSettings:
    """With the domain that DNS has now."""
    try:
        with open(settings.domain_file, encoding="ascii") as file:
            domain = file.read().strip()
    except OSError:
        return settings
    return replace(settings, cluster_domain=domain) if domain else settings


def _own_variables(shared: Shared, pod: Pod, image: Image) -> dict[str, str]:
    """The API's address, and for `fairlead/web` who it is."""
    settings = shared.settings
    host, port = settings.kubernetes_host, str(settings.kubernetes_port)
    found = {
        "KUBERNETES_SERVICE_HOST": host,
        "KUBERNETES_SERVICE_PORT": port,
        "KUBERNETES_SERVICE_PORT_HTTPS": port,
    }
    if image.names_pod:
        found["FAIRLEAD_POD_NAME"] = pod.metadata.name
        found["FAIRLEAD_NODE_NAME"] = settings.name
        found["FAIRLEAD_POD_IP"] = pod.status.podIP
    return found


def with_addresses(pod: Pod, ips: Sequence[str], host_ips: Sequence[str]) -> Pod:
    """The pod as its containers may see it: with the addresses that its status will have."""
    status = msgspec.structs.replace(
        pod.status,
        podIP=ips[0],
        podIPs=[PodIP(ip=ip) for ip in ips],
        hostIP=host_ips[0],
        hostIPs=[HostIP(ip=ip) for ip in host_ips],
    )
    return msgspec.structs.replace(pod, status=status)


def _server_user() -> str:
    """The user that the host's web server runs as; root where the host knows none."""
    with open("/etc/passwd", encoding="utf-8", errors="replace") as file:
        known = {line.partition(":")[0] for line in file}
    return next((name for name in _SERVERS_RUN_AS if name in known), "root")
