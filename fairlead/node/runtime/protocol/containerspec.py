"""A container as the zygote makes it. Names are those of the OCI runtime specification if it has one.

Standard library only. Frozen: agent, wire and zygote see the same value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from fairlead.base.dataclass import dataclass
from fairlead.node.runtime.limits.privilege import DEFAULT_CAPABILITIES


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    name: str = ""
    """The user of an image, as `/etc/passwd` and `/etc/group` of the container know it: `USER` or `USER:GROUP`, each a
    name or a number. Empty: `uid` and `gid` say who it is."""
    uid: int = 0
    gid: int = 0
    additional_gids: tuple[int, ...] = ()
    only_given: bool = False
    """The groups are those given; the image's lists of members do not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSize:
    """The size of a terminal, in characters."""

    height: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """The container's first program, or a further one."""

    args: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str = "/"
    terminal: bool = False
    console_size: ConsoleSize | None = None
    user: User = User()
    capabilities: tuple[str, ...] = DEFAULT_CAPABILITIES
    """Names without CAP_."""
    no_new_privileges: bool = False
    """No program gains rights by its setuid bit or its capabilities (`allowPrivilegeEscalation: false`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A mount. The container's process opens the source itself, so that the path it checks is the path it mounts."""

    destination: str
    """The path in the container."""
    type: Literal["bind", "tmpfs"] = "bind"
    source: str = ""
    """The path on the host; for a volume the volume's root."""
    read_only: bool = False
    sub_path: str = ""
    """The part of the source that is mounted; empty: the whole."""
    host_path_type: str | None = None
    """The type of a hostPath volume; None: the source is the Pod's own."""
    optional: bool = False
    """Mounted only over something that exists."""
    filled: bool = False
    """The source gets a copy of what the image has at the destination, as engines fill a VOLUME of an image."""
    mode: str = "755"
    """The mode of a tmpfs, octal."""
    size: str = "64m"
    """The size of a tmpfs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeccompProgram:
    """A compiled seccomp profile."""

    code: str
    """An array of `struct sock_filter` in hexadecimal digits."""
    flags: int = 0
    """The flags of seccomp(2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRoot:
    """The root file system of an image."""

    layers: tuple[str, ...]
    """The directories of its layers, the lowest first."""
    writable: str
    """The container's directory `upper` for what it writes, beside `work`, which overlayfs needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    process: Process
    bundle: str
    """The directory on which each container mounts its root file system, in a new mount namespace."""
    image_root: ImageRoot | None = None
    """None: a host image, whose root is a view of the host's files."""
    host_root: ImageRoot | None = None
    """The layers above the view of the host's files, and what the container writes. None: the view is read-only."""
    root_readonly: bool = False
    image_mounts: tuple[Mount, ...] = ()
    mounts: tuple[Mount, ...] = ()
    """The mounts over `image_mounts`."""
    masked_paths: tuple[str, ...] = ()
    """Host paths that no container may see."""
    home_paths: tuple[str, ...] = ()
    """Home folders: visible only if a mount's source is one of them or lies in one."""
    node_root: str = ""
    """The folder with the node's /var/log, for hostPath volumes (`hostpath.NODE_ROOT`); empty: none."""
    exposed_paths: tuple[str, ...] = ()
    """Host paths that are visible whatever their modes."""
    privileged: bool = False
    single_id: bool = False
    """Only one user id is mapped, so changes of ids are made to appear to succeed."""
    stdin: bool = False
    stdin_once: bool = False
    cgroups: tuple[str, ...] = ()
    """The directories of the container's control group: one for v2, one for each controller for v1, none without
    limits."""
    oom_score_adj: int | None = None
    seccomp_default: bool = False
    """The seccomp profile is RuntimeDefault."""
    seccomp: SeccompProgram | None = None
    """The seccomp profile is of the type Localhost."""
    proc_unmasked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecSpec:
    """A further program in a container: what differs from the container's own process."""

    args: tuple[str, ...]
    extra_env: Mapping[str, str]
    terminal: bool = False
    console_size: ConsoleSize | None = None
