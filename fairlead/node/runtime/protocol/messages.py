"""The messages between agent and zygote, as values. Standard library only.

The agent sends a Request, and the zygote answers it with an Answer of the same number; a Notice comes unasked. Answers
and notices carry the epoch that the agent's first request (Hello) has set: those meant for a dead agent are dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from fairlead.base.dataclass import dataclass, field
from fairlead.node.runtime.protocol.containerspec import ContainerSpec, ExecSpec

LOG_MAX_BYTES = 10 << 20
LOG_MAX_FILES = 5
"""The number of files of a log: the current one and older ones, of which `0.log.1` is the newest."""

VERSION = 7
"""The version of the protocol: raised with every change of a message. It is in each packet (`wire`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxRecord:
    """Kept by the zygote for the next agent."""

    namespace: str
    name: str
    ips: tuple[str, ...]
    """One of each family, IPv4 first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRecord:
    """Kept by the zygote for the next agent."""

    container: str
    attempt: int
    backoff_s: float
    image: str
    image_id: str
    stop_signal: str


PidNamespace = Literal["own", "pod", "node"]
"""The process namespace of a container: a new one, that of its sandbox, or that of the node's own processes."""


@dataclass(frozen=True, slots=True)
class Hello:
    epoch: int


@dataclass(frozen=True, slots=True)
class MakeSandbox:
    """Makes a sandbox. With a descriptor the sandbox has that network; otherwise a new one. The answer carries the
    network's descriptor."""

    id: str
    hostname: str
    record: SandboxRecord
    sysctls: Mapping[str, str] = field(default_factory=dict)
    """Kernel parameters of its namespaces by their paths below /proc/sys."""
    host_ipc: bool = False
    """It has the node's System V objects."""
    share_pids: bool = False
    """Its containers share a process namespace, whose first process is the zygote's."""


@dataclass(frozen=True, slots=True)
class RemoveSandbox:
    id: str


@dataclass(frozen=True, slots=True)
class OpenNetwork:
    sandbox: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartContainer:
    id: str
    sandbox: str
    spec: ContainerSpec
    log_path: str
    log_max_bytes: int = LOG_MAX_BYTES
    log_max_files: int = LOG_MAX_FILES
    record: ContainerRecord
    pid_namespace_of: str = ""
    """The running container whose processes it shares; empty: `pids` says."""
    pids: PidNamespace = "own"


@dataclass(frozen=True, slots=True)
class Exec:
    """Its descriptors are stdin, stdout and stderr, or the socket over which the terminal's master side is sent."""

    id: str
    container: str
    spec: ExecSpec


@dataclass(frozen=True, slots=True)
class Attach:
    """Its descriptor is the pipe for the container's output."""

    container: str
    stdin: bool


@dataclass(frozen=True, slots=True)
class EndInput:
    container: str


@dataclass(frozen=True, slots=True)
class Signal:
    """Sends a signal to a container or an exec."""

    id: str
    number: int


@dataclass(frozen=True, slots=True)
class ListAll:
    pass


@dataclass(frozen=True, slots=True)
class RemoveContainer:
    container: str


OnRunning = Exec | Attach | EndInput | Signal | RemoveContainer
"""Requests to a container that has been started, or to an exec."""
Operation = Hello | MakeSandbox | RemoveSandbox | OpenNetwork | StartContainer | ListAll | OnRunning


@dataclass(frozen=True, slots=True)
class Request:
    number: int
    operation: Operation


@dataclass(frozen=True, slots=True)
class ExitStatus:
    code: int
    """128 and the signal's number for a killed program, as in a shell."""
    signal: int
    finished_at: float


@dataclass(frozen=True, slots=True)
class Sandbox:
    id: str
    record: SandboxRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a container."""

    id: str
    sandbox: str
    record: ContainerRecord
    pid: int
    started_at: float
    exit: ExitStatus | None


@dataclass(frozen=True, slots=True)
class Done:
    pass


@dataclass(frozen=True, slots=True)
class Welcome:
    pid: int
    """The zygote's."""


@dataclass(frozen=True, slots=True)
class Started:
    pid: int
    started_at: float


@dataclass(frozen=True, slots=True)
class Attached:
    terminal: bool
    stdin: bool
    stdin_once: bool


@dataclass(frozen=True, slots=True)
class Inventory:
    """All sandboxes, and the runs of containers that were not forgotten."""

    sandboxes: tuple[Sandbox, ...] = ()
    runs: tuple[Run, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    error: str


Result = Done | Welcome | Started | Attached | Inventory | Failed


@dataclass(frozen=True, slots=True)
class Answer:
    epoch: int
    number: int
    result: Result


@dataclass(frozen=True, slots=True)
class Exited:
    """A container or an exec has ended."""

    id: str
    started_at: float
    """0 if it never ran."""
    exit: ExitStatus


@dataclass(frozen=True, slots=True)
class Overflow:
    """The agent has not read for so long that messages were dropped: it must start anew."""


@dataclass(frozen=True, slots=True)
class Notice:
    epoch: int
    event: Exited | Overflow


Message = Request | Answer | Notice
