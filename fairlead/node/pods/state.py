"""The state of a pod on its node: its sandbox and its containers. The worker writes it, `plan` and `status` read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from fairlead.api.core.pod.container import Container, EphemeralContainer
from fairlead.api.core.pod.kind import Pod
from fairlead.base.instant import Instant

NEVER = Instant(0.0)
ContainerPhase = Literal["new", "starting", "running", "exited"]
SandboxPhase = Literal["none", "working", "up", "down"]


@dataclass(frozen=True, slots=True)
class Exit:
    """How one run of a container ended."""

    id: str
    code: int
    signal: int
    started_at: Instant
    finished_at: Instant
    reason: str = ""
    """Empty: read off the code. Otherwise why it never ran (`StartError`), or why it was killed."""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Why a container does not run yet."""

    reason: str
    message: str


@dataclass(slots=True)
class ContainerState:
    """The current run of a container (`attempt` counts from 0), and how the one before it ended."""

    phase: ContainerPhase = "new"
    attempt: int = 0
    id: str = ""
    image: str = ""
    """The name it was started with."""
    image_id: str = ""
    started_at: Instant = NEVER
    exit: Exit | None = None
    """Where the phase is `exited`."""
    last: Exit | None = None
    waiting: Waiting | None = None
    retry_at: Instant = NEVER
    """Not to be started before; after a problem with its image or its configuration."""
    retry_s: float = 0.0
    backoff_s: float = 0.0
    """The pause before the next run, counted from the end of this one."""
    started: bool = False
    """Running, its postStart hook done and its startup probe passed."""
    ready: bool = False
    stopping: bool = False
    unhealthy: str = ""
    """What it failed so that it is to be restarted: `liveness probe`, `startup probe`, `postStart hook`."""


@dataclass(slots=True)
class PodState:
    sandbox: SandboxPhase = "none"
    ips: tuple[str, ...] = ()
    """One of each family, IPv4 first."""
    retry_at: Instant = NEVER
    retry_s: float = 0.0
    started_at: Instant = NEVER
    """When the node first saw the pod."""
    ending: bool = False
    """It is to go: deleted, or past its deadline."""
    reason: str = ""
    """Why the whole pod failed (`DeadlineExceeded`, ...)."""
    message: str = ""
    containers: dict[str, ContainerState] = field(default_factory=dict)

    @property
    def ip(self) -> str:
        """The one by which the node itself reaches it; empty before it has one."""
        return self.ips[0] if self.ips else ""

    def of(self, name: str) -> ContainerState:
        return self.containers.setdefault(name, ContainerState())


def sidecar(container: Container) -> bool:
    """An init container that goes on running beside the others."""
    return container.restartPolicy == "Always"


def own_containers(pod: Pod) -> Iterator[Container]:
    """Yields the containers that the pod was made with."""
    yield from pod.spec.initContainers
    yield from pod.spec.containers


def all_containers(pod: Pod) -> Iterator[Container]:
    """Yields every container, those added later to debug the pod among them."""
    yield from own_containers(pod)
    yield from pod.spec.ephemeralContainers


def ephemeral(container: Container) -> bool:
    """Returns whether a container was added later: it runs once, and says nothing about the pod's health."""
    return isinstance(container, EphemeralContainer)
