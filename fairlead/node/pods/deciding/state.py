"""The state of a pod on its node: its sandbox and its containers. The worker writes it, `plan` and `status` read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from fairlead.api.core.pod.containers.container import Container, EphemeralContainer, ResourceRequirements
from fairlead.api.core.pod.kind import Pod
from fairlead.base.dataclass import dataclass, field
from fairlead.base.instant import Instant

NEVER = Instant(0.0)
ContainerPhase = Literal["new", "starting", "running", "exited"]
SandboxPhase = Literal["none", "working", "up", "down"]


@dataclass(frozen=True, slots=True)
class Exit:
    """The end of one run of a container."""

    id: str
    code: int
    signal: int
    started_at: Instant
    finished_at: Instant
    reason: str = ""
    """Empty if the reason follows from the code. Otherwise the reason for a run that never started (`StartError`), or
    that was killed."""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The reason for which a container does not run yet."""

    reason: str
    message: str


@dataclass(slots=True)
class ContainerState:
    """The current run of a container (`attempt` counts from 0), and the end of the run before it."""

    phase: ContainerPhase = "new"
    attempt: int = 0
    id: str = ""
    image: str = ""
    """The image's name at the start of the run."""
    image_id: str = ""
    pid: int = 0
    resources: ResourceRequirements | None = None
    """The requests and limits that the run has; None before the first run."""
    resize_at: Instant = NEVER
    """The earliest time of the next try to change the limits, after one that failed."""
    resize_error: str = ""
    started_at: Instant = NEVER
    exit: Exit | None = None
    """Set if the phase is `exited`."""
    last: Exit | None = None
    waiting: Waiting | None = None
    retry_at: Instant = NEVER
    """The earliest time of the next start, after a problem with the image or the configuration."""
    retry_s: float = 0.0
    backoff_s: float = 0.0
    """The pause before the next run, counted from the end of this one."""
    started: bool = False
    """True if the container runs, its postStart hook has ended and its startup probe has passed."""
    ready: bool = False
    stopping: bool = False
    again: bool = False
    """The run is stopped to be started again, whatever its exit code is."""
    unhealthy: str = ""
    """The check that failed, so that the container is restarted: `liveness probe`, `startup probe`, `postStart
    hook`."""


@dataclass(slots=True)
class PodState:
    sandbox: SandboxPhase = "none"
    ips: tuple[str, ...] = ()
    """The pod's addresses, one of each family, IPv4 first."""
    retry_at: Instant = NEVER
    retry_s: float = 0.0
    started_at: Instant = NEVER
    """The time at which the node first saw the pod."""
    ending: bool = False
    """The pod is deleted, or past its deadline."""
    restart_all: bool = False
    """A container has ended whose rule restarts all containers."""
    reason: str = ""
    """The reason for which the whole pod failed (`DeadlineExceeded`, ...)."""
    message: str = ""
    containers: dict[str, ContainerState] = field(default_factory=dict)
    allocated: dict[str, ResourceRequirements] = field(default_factory=dict)
    """The amounts that the node has granted each container; the spec may ask for others."""
    resize: Literal["", "Deferred", "Infeasible"] = ""
    """The reason for which the node does not grant what the spec asks for."""
    resize_message: str = ""

    @property
    def ip(self) -> str:
        """Returns the address by which the node itself reaches the pod; empty before the pod has one."""
        return self.ips[0] if self.ips else ""

    def reset(self) -> None:
        """Lets all containers that the pod was made with start anew."""
        self.restart_all = False
        for state in self.containers.values():
            if state.exit is not None:
                state.last, state.exit = state.exit, None
                state.phase, state.attempt = "new", state.attempt + 1

    def of(self, name: str) -> ContainerState:
        return self.containers.setdefault(name, ContainerState())


def sidecar(container: Container) -> bool:
    """Returns True for an init container that keeps running beside the others."""
    return container.restartPolicy == "Always"


def own_containers(pod: Pod) -> Iterator[Container]:
    """Yields the containers that the pod was made with."""
    yield from pod.spec.initContainers
    yield from pod.spec.containers


def all_containers(pod: Pod) -> Iterator[Container]:
    """Yields every container, including those added later to debug the pod."""
    yield from own_containers(pod)
    yield from pod.spec.ephemeralContainers


def ephemeral(container: Container) -> bool:
    """Returns True if the container was added later: it runs once, and does not affect the pod's health."""
    return isinstance(container, EphemeralContainer)
