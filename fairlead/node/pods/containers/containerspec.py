"""A container's ContainerSpec, from its Pod and its image. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.containers.security import SeccompProfile
from fairlead.api.core.pod.kind import Pod
from fairlead.base.dataclass import dataclass, field
from fairlead.base.numbers import natural
from fairlead.node.env.environment import ConfigProblem
from fairlead.node.images.host import Image
from fairlead.node.runtime.files.hostpath import NODE_ROOT
from fairlead.node.runtime.files.safepath import parts_of
from fairlead.node.runtime.limits.privilege import CAPABILITIES, DEFAULT_CAPABILITIES
from fairlead.node.runtime.protocol.containerspec import ContainerSpec, ImageRoot, Mount, Process, SeccompProgram, User
from fairlead.node.settings import NodeSettings

_ETC = ("hosts", "hostname", "resolv.conf")


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """The places on the host of what an image brings, and of what the container changes of it."""

    texts: Mapping[str, str]
    """The files of a host image whose root is read-only, by their paths in the container."""
    writable: str
    """The directory for what the container writes into its root; empty if the root is read-only."""
    volumes: Mapping[str, str] = field(default_factory=dict)
    """The directories of the image's volumes, by their paths in the container."""


def bundle_dir(settings: NodeSettings) -> str:
    """Returns the directory on which each container mounts its root file system, in a new mount namespace."""
    return f"{settings.state_dir}/bundle"


def process_of(pod: Pod, container: Container, image: Image, *, args: Sequence[str], env: Mapping[str, str]) -> Process:
    """Returns the container's first process. Raises ConfigProblem if the manifest asks for what cannot be."""
    if not args:
        raise ConfigProblem("no command specified")
    user = _user(pod, container, image)
    # The home of an image's user stands in the image's own /etc/passwd.
    home = {} if _has_users(image) else {"HOME": "/" if user.uid else "/root"}
    return Process(
        args=tuple(args),
        env={**home, **env},
        cwd=container.workingDir or image.cwd,
        terminal=container.tty,
        user=user,
        capabilities=tuple(capabilities(container)),
        no_new_privileges=bool(
            container.securityContext and container.securityContext.allowPrivilegeEscalation is False
        ),
    )


def container_spec(  # noqa: PLR0913 -- all that makes a container
    pod: Pod,
    container: Container,
    image: Image,
    process: Process,
    *,
    files: ImageFiles,
    mounts: Sequence[Mount],
    settings: NodeSettings,
    seccomp: SeccompProgram | None = None,
) -> ContainerSpec:
    """Returns the ContainerSpec. `seccomp` is the container's profile of the type Localhost."""
    security = container.securityContext
    return ContainerSpec(
        process=process,
        bundle=bundle_dir(settings),
        image_root=None if image.layers is None else ImageRoot(layers=image.layers, writable=files.writable),
        host_root=ImageRoot(layers=(image.host_layer,), writable=files.writable) if image.host_layer else None,
        root_readonly=bool(security and security.readOnlyRootFilesystem),
        image_mounts=tuple(_image_mounts(image, files)),
        mounts=tuple(mounts),
        masked_paths=settings.hide,
        home_paths=settings.homes,
        node_root=f"{settings.state_dir}/{NODE_ROOT}",
        exposed_paths=image.expose,
        privileged=bool(security and security.privileged),
        single_id=settings.single_id,
        seccomp_default=seccomp_profile(pod, container).type == "RuntimeDefault",
        seccomp=seccomp,
        proc_unmasked=bool(security and security.procMount == "Unmasked") and not settings.host_namespaces,
        stdin=container.stdin,
        stdin_once=container.stdinOnce,
    )


def seccomp_profile(pod: Pod, container: Container) -> SeccompProfile:
    """Returns the container's profile: Unconfined if the container is privileged, as with container engines."""
    own = container.securityContext
    for security in (own, pod.spec.securityContext) if not (own and own.privileged) else ():
        if security is not None and security.seccompProfile is not None:
            return security.seccompProfile
    return SeccompProfile(type="Unconfined")


def _image_mounts(image: Image, files: ImageFiles) -> Iterator[Mount]:
    for path in () if image.host_layer else image.writable:
        yield Mount(type="tmpfs", destination=path, mode="777")
    for path, source in files.texts.items():
        yield Mount(source=source, destination=path, read_only=True)
    for path, source in files.volumes.items():
        yield Mount(source=source, destination=path, filled=True)


def image_volumes(image: Image, mounts: Sequence[Mount]) -> list[str]:
    """Returns the image's volumes over which the Pod mounts nothing, and that lie in no mount of the Pod."""
    covered = [mount.destination.rstrip("/") + "/" for mount in mounts]
    paths = dict.fromkeys("/" + "/".join(parts_of(path)) for path in image.volumes)
    return [path for path in paths if path != "/" and not any(f"{path}/".startswith(above) for above in covered)]


def pod_mounts(
    container: Container, image: Image, *, etc: str, termination_log: str, volumes: Sequence[Mount]
) -> list[Mount]:
    """Returns the mounts of the Pod's own /etc files, of the termination log, and of its volumes, which win. An image
    may lack the files; the host's view has them if the host has."""
    covered = {volume.destination.rstrip("/") for volume in volumes}
    mounts = [
        Mount(source=f"{etc}/{name}", destination=f"/etc/{name}", optional=image.layers is None)
        for name in _ETC
        if f"/etc/{name}" not in covered
    ]
    path = container.terminationMessagePath or "/dev/termination-log"
    return [*mounts, Mount(source=termination_log, destination=path), *volumes]


def _user(pod: Pod, container: Container, image: Image) -> User:
    of_pod, own = pod.spec.securityContext, container.securityContext
    uid = own.runAsUser if own and own.runAsUser is not None else of_pod.runAsUser if of_pod else None
    gid = own.runAsGroup if own and own.runAsGroup is not None else of_pod.runAsGroup if of_pod else None
    no_root = own.runAsNonRoot if own and own.runAsNonRoot is not None else of_pod.runAsNonRoot if of_pod else None
    if no_root:
        _refuse_root(pod, container, uid, image)
    groups = [*of_pod.supplementalGroups] if of_pod else []
    if of_pod and of_pod.fsGroup is not None:
        groups.append(of_pod.fsGroup)
    strict = bool(of_pod and of_pod.supplementalGroupsPolicy == "Strict")
    name = _image_user(image, uid, gid) if _has_users(image) else ""
    return User(name=name, uid=uid or 0, gid=gid or 0, additional_gids=tuple(groups), only_given=strict)


def _has_users(image: Image) -> bool:
    """Returns True if the image has its own /etc/passwd and /etc/group."""
    return image.layers is not None or bool(image.host_layer)


def _image_user(image: Image, uid: int | None, gid: int | None) -> str:
    """Returns the user to look up in the image: the manifest's ids go before the image's user and group."""
    user, _, group = image.user.partition(":")
    if uid is not None:
        user, group = str(uid), ""
    if gid is not None:
        group = str(gid)
    return f"{user or 0}:{group}" if group else user or "0"


def _refuse_root(pod: Pod, container: Container, uid: int | None, image: Image) -> None:
    """Raises ConfigProblem if the container would run as root, or might."""
    user = str(uid) if uid is not None else image.user.partition(":")[0]
    number = natural(user or "0")
    if number:
        return
    text = "container has runAsNonRoot and image will run as root"
    if uid == 0:
        text = "container's runAsUser breaks non-root policy"
    elif number is None:
        text = f"container has runAsNonRoot and image has non-numeric user ({user}), cannot verify user is non-root"
    where = f'pod: "{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})"'
    raise ConfigProblem(f"{text} ({where}, container: {container.name})")


def capabilities(container: Container) -> list[str]:
    """Returns the default capabilities and `add`, without `drop`; all capabilities if the container is privileged."""
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
