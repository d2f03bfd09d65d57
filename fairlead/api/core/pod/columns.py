"""Columns of `kubectl get pods`, with upstream's summary of a pod's state in one word.

Upstream's rules for the word are kept in their order, because people and scripts know the results. The phase comes
first, then the state of the init containers, then the last container with a reason.
"""

from __future__ import annotations

from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.containers.containerstatus import ContainerStateTerminated, ContainerStatus
from fairlead.api.core.pod.status import PodStatus
from fairlead.api.core.pod.types import Pod
from fairlead.api.meta.columns import AGE, NAME, or_none, since
from fairlead.base.dataclass import dataclass, field
from fairlead.base.instant import Instant
from fairlead.machinery.kinds.kind import Column

_FINAL = ("Succeeded", "Failed")


@dataclass(slots=True)
class _Restarts:
    """Number of restarts of a pod's containers and the time of the last one."""

    count: int = 0
    last: str = ""
    """Time at which a container last ended, as RFC 3339 in UTC: such texts compare like times."""

    def add(self, status: ContainerStatus) -> None:
        self.count += status.restartCount
        ended = status.lastState.terminated
        if ended is not None and ended.finishedAt and ended.finishedAt > self.last:
            self.last = ended.finishedAt


@dataclass(slots=True)
class PodSummary:
    """State of a pod as the columns of `kubectl get pods` show it."""

    reason: str
    ready: int = 0
    total: int = 0
    restarts: _Restarts = field(default_factory=_Restarts)


def summarize(pod: Pod) -> PodSummary:
    status = pod.status
    summary = PodSummary(status.reason or status.phase)
    if any(c.type == "PodScheduled" and c.reason == "SchedulingGated" for c in status.conditions):
        summary.reason = "SchedulingGated"
    sidecars = {c.name for c in pod.spec.initContainers if is_sidecar(c)}
    summary.total = len(pod.spec.containers) + len(sidecars)
    initializing = _summarize_init(pod, sidecars, summary)
    if not initializing or _is_true(status, "Initialized"):
        summary.restarts = _Restarts()
        for container in status.initContainerStatuses:
            if container.name in sidecars:
                summary.restarts.add(container)
        _summarize_containers(status, summary)
    if pod.metadata.deletionTimestamp:
        if status.reason == "NodeLost":
            summary.reason = "Unknown"
        elif status.phase not in _FINAL:
            summary.reason = "Terminating"
    return summary


def is_sidecar(container: Container) -> bool:
    """Returns true if the init container is a sidecar, which keeps running."""
    return container.restartPolicy == "Always"


def _summarize_init(pod: Pod, sidecars: set[str], summary: PodSummary) -> bool:
    """Returns true if an init container of the pod has not finished."""
    for i, container in enumerate(pod.status.initContainerStatuses):
        summary.restarts.add(container)
        state = container.state
        if state.terminated is not None and state.terminated.exitCode == 0:
            continue
        if container.name in sidecars and container.started:
            summary.ready += container.ready
            continue
        if state.terminated is not None:
            summary.reason = "Init:" + _end_of(state.terminated)
        elif state.waiting is not None and state.waiting.reason not in ("", "PodInitializing"):
            summary.reason = "Init:" + state.waiting.reason
        else:
            summary.reason = f"Init:{i}/{len(pod.spec.initContainers)}"
        return True
    return False


def _summarize_containers(status: PodStatus, summary: PodSummary) -> None:
    running = False
    for container in reversed(status.containerStatuses):
        summary.restarts.add(container)
        state = container.state
        if state.waiting is not None and state.waiting.reason:
            summary.reason = state.waiting.reason
        elif state.terminated is not None:
            summary.reason = _end_of(state.terminated)
        elif container.ready and state.running is not None:
            running = True
            summary.ready += 1
    if summary.reason == "Completed" and running:
        summary.reason = "Running" if _is_true(status, "Ready") else "NotReady"


def _end_of(ended: ContainerStateTerminated) -> str:
    if ended.reason:
        return ended.reason
    return f"Signal:{ended.signal}" if ended.signal else f"ExitCode:{ended.exitCode}"


def _is_true(status: PodStatus, condition: str) -> bool:
    return any(c.type == condition and c.status == "True" for c in status.conditions)


def _ready(pod: Pod, _: Instant) -> str:
    summary = summarize(pod)
    return f"{summary.ready}/{summary.total}"


def _status(pod: Pod, _: Instant) -> str:
    return summarize(pod).reason


def _restarts(pod: Pod, now: Instant) -> str:
    restarts = summarize(pod).restarts
    if restarts.count and restarts.last:
        return f"{restarts.count} ({since(restarts.last, now)} ago)"
    return str(restarts.count)


def _ip(pod: Pod, _: Instant) -> str:
    return or_none(pod.status.podIPs[0].ip if pod.status.podIPs else "")


def _gates(pod: Pod, _: Instant) -> str:
    gates = pod.spec.readinessGates
    passed = sum(_is_true(pod.status, gate.conditionType) for gate in gates)
    return f"{passed}/{len(gates)}" if gates else or_none("")


POD_COLUMNS: tuple[Column[Pod], ...] = (
    NAME,
    Column(
        "Ready", _ready, doc="Number of ready containers and number of containers, with restartable init containers."
    ),
    Column("Status", _status, doc="State of the pod in one word, such as Running or CrashLoopBackOff."),
    Column("Restarts", _restarts, doc="Number of restarts of the pod's containers, and time since the last one."),
    AGE,
    Column("IP", _ip, wide=True, doc="IP address of the pod."),
    Column("Node", lambda pod, _: or_none(pod.spec.nodeName), wide=True, doc="Name of the node that the pod runs on."),
    Column(
        "Nominated Node",
        lambda pod, _: or_none(pod.status.nominatedNodeName),
        wide=True,
        doc="Name of the node on which pods are being preempted in favour of the pod.",
    ),
    Column(
        "Readiness Gates",
        _gates,
        wide=True,
        doc="Number of readiness gates that are True and number of readiness gates.",
    ),
)
