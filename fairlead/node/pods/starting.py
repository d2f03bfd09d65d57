"""Builds the message that starts a container from an image and a Pod: environment, files, mounts, process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import msgspec

from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.status import HostIP, PodIP
from fairlead.base.numbers import natural
from fairlead.node.env.environment import ConfigProblem, command_line, container_environment, service_variables
from fairlead.node.images.catalogue import render_file
from fairlead.node.images.host import PATH, Image
from fairlead.node.pods.containers.containerspec import (
    ImageFiles,
    capabilities,
    container_spec,
    image_volumes,
    pod_mounts,
    process_of,
    seccomp_profile,
)
from fairlead.node.pods.deciding.plan import Start
from fairlead.node.pods.dependencies import Dependencies
from fairlead.node.pods.enforcement import Enforcement
from fairlead.node.pods.localpod import LocalPod
from fairlead.node.pods.sandbox.etcfiles import etc_files, kernel_hostname
from fairlead.node.runtime.protocol.containerspec import ContainerSpec, Process, SeccompProgram
from fairlead.node.runtime.protocol.messages import ContainerRecord, PidNamespace, StartContainer
from fairlead.node.settings import NodeSettings
from fairlead.node.volumes.podfiles import Fill

_SERVERS_RUN_AS = ("nginx", "www-data", "nobody")


def start_message(
    local: LocalPod,
    container: Container,
    image: Image,
    action: Start,
    limits: Enforcement,
    *,
    pid_namespace_of: str,
) -> StartContainer:
    """Writes the container's files and returns the request to the zygote. Raises ConfigProblem, VolumeProblem."""
    return StartContainer(
        id=limits.run,
        sandbox=local.pod.metadata.uid,
        spec=replace(
            _spec(local, container, image, action.attempt),
            cgroups=limits.cgroups,
            oom_score_adj=limits.oom_score_adj,
        ),
        log_path=local.files.logs.new(container.name, action.attempt, limits.run),
        log_max_bytes=local.deps.monitor.config.log_max_bytes,
        log_max_files=local.deps.monitor.config.containerLogMaxFiles,
        record=ContainerRecord(
            container=container.name,
            attempt=action.attempt,
            backoff_s=action.backoff_s,
            image=container.image,
            image_id=image.id,
            stop_signal=image.stop_signal,
        ),
        pid_namespace_of=pid_namespace_of,
        pids=_pids(local),
    )


def _pids(local: LocalPod) -> PidNamespace:
    spec = local.pod.spec
    if spec.shareProcessNamespace:
        return "pod"
    return "node" if spec.hostPID and local.deps.settings.host_namespaces else "own"


def listening_port(image: Image, process: Process) -> int | None:
    """Returns the port that answers once the program has started; None if the port is not known. `fairlead/web` takes
    its port from its argument or its environment."""
    text = image.listens
    if image.names_pod:
        last = process.args[-1]
        text = last if natural(last) is not None else process.env.get("PORT", text)
    return natural(text)


def _spec(local: LocalPod, container: Container, image: Image, attempt: int) -> ContainerSpec:
    settings, files = with_domain(local.deps.settings), local.files
    pod, ips = with_addresses(local.pod, local.state.ips, settings.ips), local.state.ips
    env = _environment(local, pod, container, image)
    process = process_of(pod, container, image, args=command_line(container, image.command, image.args, env), env=env)
    mounts = pod_mounts(
        container,
        image,
        etc=files.etc(etc_files(pod, ips, settings, node_hosts=_node_hosts(pod))),
        termination_log=files.termination_log(container.name, attempt),
        volumes=local.volumes.mounts_of(pod, container, env),
    )
    image_files = _files_of(local, container, image, _image_files(image, pod, container, settings), attempt)
    if volumes := image_volumes(image, mounts):
        folders = files.image_volumes(image_files.writable, volumes)
        image_files = replace(image_files, volumes=folders)
    return container_spec(
        local.pod,
        container,
        image,
        process,
        files=image_files,
        mounts=mounts,
        settings=settings,
        seccomp=_local_profile(local, container),
    )


def _local_profile(local: LocalPod, container: Container) -> SeccompProgram | None:
    """Returns the program of a profile of the type Localhost. Raises ConfigProblem."""
    profile = seccomp_profile(local.pod, container)
    if profile.type != "Localhost":
        return None
    from fairlead.node.seccomp.load import load_profile
    from fairlead.node.seccomp.profile import ProfileProblem

    folder, name = local.deps.settings.seccomp_folder, profile.localhostProfile or ""
    try:
        code, flags = load_profile(folder, name, capabilities=capabilities(container))
    except ProfileProblem as error:
        raise ConfigProblem(str(error), "CreateContainerError") from error
    return SeccompProgram(code=code.hex(), flags=flags)


def _files_of(
    local: LocalPod, container: Container, image: Image, texts: Mapping[str, str], attempt: int
) -> ImageFiles:
    files = local.files
    if image.layers is not None:
        return ImageFiles({}, files.new_writable(container.name, attempt, image.layers))
    if not image.host_layer:
        return ImageFiles(files.image_files(container.name, texts), "")
    writable = files.new_writable(container.name, attempt, (image.host_layer,))
    files.fill_writable(writable, Fill(texts=texts, links=image.links, empty=image.writable))
    return ImageFiles({}, writable)


def _environment(local: LocalPod, pod: Pod, container: Container, image: Image) -> dict[str, str]:
    deps = local.deps
    hostname = kernel_hostname(pod, with_domain(deps.settings))
    env = {"PATH": PATH, "HOSTNAME": hostname, **image.env, **_own_variables(deps, pod, image, container.image)}
    if container.tty:
        env["TERM"] = "xterm"
    links = pod.spec.enableServiceLinks is not False
    services = service_variables(list(deps.services.items.values()), pod.metadata.namespace, links=links)
    data, allocatable = local.volumes.data, deps.allocatable
    return env | container_environment(pod, container, services=services, data=data, allocatable=allocatable)


def _image_files(image: Image, pod: Pod, container: Container, settings: NodeSettings) -> dict[str, str]:
    """Returns the texts of the files that the image lays over the host's, by their path in the container."""
    values = {
        "pod": pod.metadata.name,
        "node": settings.name,
        "ip": pod.status.podIP,
        "image": container.image,
        "worker_user": _server_user(),
        "if_ipv6": "" if any(":" in ip.ip for ip in pod.status.podIPs) else "#",
    }
    return {path: render_file(text, values) for path, text in image.files.items()}


def _node_hosts(pod: Pod) -> str:
    """Returns the machine's hosts file, which pods on their node's network share."""
    if not pod.spec.hostNetwork:
        return ""
    try:
        with open("/etc/hosts", encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def with_domain(settings: NodeSettings) -> NodeSettings:
    """Returns the settings with the present DNS domain."""
    try:
        with open(settings.domain_file, encoding="ascii") as file:
            domain = file.read().strip()
    except OSError:
        return settings
    return replace(settings, cluster_domain=domain) if domain else settings


def _own_variables(deps: Dependencies, pod: Pod, image: Image, image_name: str) -> dict[str, str]:
    """Returns the variables with the API's address, and for `fairlead/web` those with the pod's name, node and
    address."""
    settings = deps.settings
    host, port = settings.kubernetes_host, str(settings.kubernetes_port)
    variables = {
        "KUBERNETES_SERVICE_HOST": host,
        "KUBERNETES_SERVICE_PORT": port,
        "KUBERNETES_SERVICE_PORT_HTTPS": port,
    }
    if image.names_pod:
        variables["FAIRLEAD_POD_NAME"] = pod.metadata.name
        variables["FAIRLEAD_NODE_NAME"] = settings.name
        variables["FAIRLEAD_POD_IP"] = pod.status.podIP
        variables["FAIRLEAD_IMAGE"] = image_name
    return variables


def with_addresses(pod: Pod, ips: Sequence[str], host_ips: Sequence[str]) -> Pod:
    """Returns the pod as its containers may see it: with the addresses that its status will have."""
    status = msgspec.structs.replace(
        pod.status,
        podIP=ips[0],
        podIPs=[PodIP(ip=ip) for ip in ips],
        hostIP=host_ips[0],
        hostIPs=[HostIP(ip=ip) for ip in host_ips],
    )
    return msgspec.structs.replace(pod, status=status)


def _server_user() -> str:
    """Returns the user of the host's web server; root if the host has no such user."""
    with open("/etc/passwd", encoding="utf-8", errors="replace") as file:
        known = {line.partition(":")[0] for line in file}
    return next((name for name in _SERVERS_RUN_AS if name in known), "root")
