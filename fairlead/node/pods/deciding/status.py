"""Computes a pod's status from its state on the node. Pure: the same state gives the same status."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.containers.containerstatus import (
    ContainerState as ContainerStatusState,
)
from fairlead.api.core.pod.containers.containerstatus import (
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
)
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.status import HostIP, PodCondition, PodIP, PodStatus
from fairlead.base.dataclass import dataclass
from fairlead.base.instant import Instant, render_time
from fairlead.machinery.values.quantity import parse_quantity
from fairlead.node.pods.deciding.plan import exit_reason, finished, initialized, is_init, pause_s, restarts
from fairlead.node.pods.deciding.resize import lacking
from fairlead.node.pods.deciding.state import ContainerState, Exit, PodState, ephemeral, own_containers, sidecar

CONTAINER_ID = "fairlead://"
_OWN = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")
_DISRUPTED = "DisruptionTarget"
_RESIZE = ("PodResizePending", "PodResizeInProgress")


def render_status(pod: Pod, pod_state: PodState, *, host_ips: Sequence[str], now: Instant) -> PodStatus:
    """Returns the whole status. It keeps foreign conditions of the present status, and the times of unchanged ones."""
    phase = _phase(pod, pod_state)
    had = [known.ip for known in pod.status.podIPs] if phase in ("Succeeded", "Failed") else []
    ips = pod_state.ips or had
    return PodStatus(
        phase=phase,
        reason=pod_state.reason,
        message=pod_state.message,
        conditions=_conditions(pod, pod_state, phase, now),
        hostIP=host_ips[0],
        hostIPs=[HostIP(ip=ip) for ip in host_ips],
        podIP=ips[0] if ips else "",
        podIPs=[PodIP(ip=ip) for ip in ips],
        startTime=render_time(pod_state.started_at) if pod_state.started_at else None,
        qosClass=pod.status.qosClass or qos_class(pod),
        nominatedNodeName=pod.status.nominatedNodeName,
        observedGeneration=pod.metadata.generation,
        initContainerStatuses=[_container(pod, c, pod_state, init=True) for c in pod.spec.initContainers],
        containerStatuses=[_container(pod, c, pod_state, init=False) for c in pod.spec.containers],
        ephemeralContainerStatuses=[_container(pod, c, pod_state, init=False) for c in pod.spec.ephemeralContainers],
    )


def _phase(pod: Pod, pod_state: PodState) -> str:
    mains = [pod_state.of(c.name) for c in pod.spec.containers]
    over = finished(pod, pod_state) or (pod_state.ending and any(m.exit for m in mains))
    alive = any(s.phase in ("starting", "running") for s in pod_state.containers.values())
    if over and (not alive or pod_state.reason):
        good = all(m.exit is not None and m.exit.code == 0 for m in mains) and not pod_state.reason
        return "Succeeded" if good else "Failed"
    began = any(m.phase == "running" or m.exit or m.last for m in mains)
    return "Running" if began and initialized(pod, pod_state) else pod_phase_before(pod, pod_state)


def pod_phase_before(pod: Pod, pod_state: PodState) -> str:
    """Returns `Pending` unless the pod has been running already (a restarting sidecar does not make it pending
    again)."""
    return "Running" if pod.status.phase == "Running" and pod_state.sandbox == "up" else "Pending"


@dataclass(frozen=True, slots=True)
class _Truth:
    good: bool
    reason: str = ""
    message: str = ""


def _conditions(pod: Pod, pod_state: PodState, phase: str, now: Instant) -> list[PodCondition]:
    containers = _containers_ready(pod, pod_state, phase)
    ready = containers
    missing = [g.conditionType for g in pod.spec.readinessGates if not _is_true(pod, g.conditionType)]
    if containers.good and missing:
        text = "; ".join(f'corresponding condition of pod readiness gate "{m}" does not exist.' for m in missing)
        ready = _Truth(False, "ReadinessGatesNotReady", text)
    waiting = [c.name for c in pod.spec.initContainers if not _init_done(c, pod_state.of(c.name))]
    init = _Truth(True)
    if phase == "Succeeded":
        init = _Truth(True, "PodCompleted")
    elif waiting:
        init = _Truth(False, "ContainersNotInitialized", f"containers with incomplete status: {_names(waiting)}")
    truths = (_Truth(pod_state.sandbox == "up"), init, ready, containers)
    own = [_condition(pod, name, truth, now) for name, truth in zip(_OWN, truths, strict=True)]
    own += [_condition(pod, name, truth, now) for name, truth in _resize_conditions(pod, pod_state)]
    if pod_state.reason == "Evicted":
        disrupted = _Truth(True, "TerminationByKubelet", pod_state.message)
        own.append(_condition(pod, _DISRUPTED, disrupted, now))
    return own + [c for c in pod.status.conditions if c.type not in {one.type for one in own} | {*_RESIZE}]


def _resize_conditions(pod: Pod, pod_state: PodState) -> Iterator[tuple[str, _Truth]]:
    if pod_state.resize:
        yield _RESIZE[0], _Truth(True, pod_state.resize, pod_state.resize_message)
    slow = list(lacking(pod, pod_state))
    if slow:
        texts = [text for c in slow if (text := pod_state.of(c.name).resize_error)]
        yield _RESIZE[1], _Truth(True, "Error" if texts else "", "; ".join(texts))


def _names(names: Sequence[str]) -> str:
    return "[" + " ".join(names) + "]"


def _is_true(pod: Pod, condition: str) -> bool:
    return any(c.type == condition and c.status == "True" for c in pod.status.conditions)


def _init_done(container: Container, state: ContainerState) -> bool:
    if sidecar(container):
        return state.phase == "running" and state.started
    return state.exit is not None and state.exit.code == 0


def _containers_ready(pod: Pod, pod_state: PodState, phase: str) -> _Truth:
    if phase == "Succeeded":
        return _Truth(False, "PodCompleted")
    if phase == "Failed":
        return _Truth(False, "PodFailed")
    containers = [c for c in own_containers(pod) if sidecar(c) or not is_init(pod, c.name)]
    unready = [c.name for c in containers if not is_ready(pod_state.of(c.name))]
    if unready:
        return _Truth(False, "ContainersNotReady", f"containers with unready status: {_names(unready)}")
    return _Truth(True)


def is_ready(state: ContainerState) -> bool:
    return state.phase == "running" and state.started and state.ready


def _condition(pod: Pod, name: str, truth: _Truth, now: Instant) -> PodCondition:
    status = "True" if truth.good else "False"
    old = next((c for c in pod.status.conditions if c.type == name), None)
    since = old.lastTransitionTime if old is not None and old.status == status else render_time(now)
    return PodCondition(
        type=name, status=status, reason=truth.reason, message=truth.message, lastTransitionTime=since,
        observedGeneration=pod.metadata.generation,
    )  # fmt: skip


def _container(pod: Pod, container: Container, pod_state: PodState, *, init: bool) -> ContainerStatus:
    state, allocated = pod_state.of(container.name), pod_state.allocated.get(container.name)
    now, last = _states(pod, container, state)
    ready = is_ready(state) and not ephemeral(container)
    if init and not sidecar(container):
        ready = state.exit is not None and state.exit.code == 0
    return ContainerStatus(
        name=container.name,
        image=container.image,
        imageID=state.image_id,
        containerID=CONTAINER_ID + state.id if state.id else "",
        ready=ready,
        started=None if ephemeral(container) else state.phase == "running" and state.started,
        restartCount=state.attempt,
        allocatedResources=dict(allocated.requests) if allocated is not None else {},
        resources=state.resources,
        state=now,
        lastState=last,
    )


def _states(pod: Pod, container: Container, state: ContainerState) -> tuple[ContainerStatusState, ContainerStatusState]:
    last = ContainerStatusState(terminated=_terminated(state.last)) if state.last else ContainerStatusState()
    if state.phase == "running":
        return ContainerStatusState(running=ContainerStateRunning(startedAt=render_time(state.started_at))), last
    if state.exit is not None:
        ended = ContainerStatusState(terminated=_terminated(state.exit))
        resting = state.phase == "exited" and pause_s(state) and restarts(pod, container, state)
        if state.waiting is None and not resting:
            return ended, last
        return ContainerStatusState(waiting=_waiting(pod, container, state)), ended
    return ContainerStatusState(waiting=_waiting(pod, container, state)), last


def _waiting(pod: Pod, container: Container, state: ContainerState) -> ContainerStateWaiting:
    if state.waiting is not None:
        return ContainerStateWaiting(reason=state.waiting.reason, message=state.waiting.message)
    if state.exit is not None:
        return ContainerStateWaiting(reason="CrashLoopBackOff", message=backoff_text(pod, container.name, state))
    return ContainerStateWaiting(reason="PodInitializing" if pod.spec.initContainers else "ContainerCreating")


def backoff_text(pod: Pod, container: str, state: ContainerState) -> str:
    meta = pod.metadata
    pause = _duration(pause_s(state))
    return f"back-off {pause} restarting failed container={container} pod={meta.name}_{meta.namespace}({meta.uid})"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _terminated(exit_: Exit) -> ContainerStateTerminated:
    return ContainerStateTerminated(
        exitCode=exit_.code,
        signal=exit_.signal,
        reason=exit_reason(exit_),
        message=exit_.message,
        startedAt=render_time(exit_.started_at),
        finishedAt=render_time(exit_.finished_at),
        containerID=CONTAINER_ID + exit_.id,
    )


def qos_class(pod: Pod) -> str:
    """Returns `Guaranteed` if every container's limits are its requests, `BestEffort` if no container has any, else
    `Burstable`."""
    asked = False
    guaranteed = True
    for container in own_containers(pod):
        for name in ("cpu", "memory"):
            limit = _amount(container.resources.limits.get(name))
            request = _amount(container.resources.requests.get(name)) or limit
            asked = asked or bool(limit or request)
            guaranteed = guaranteed and bool(limit) and limit == request
    if not asked:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"


def _amount(text: object) -> Fraction | None:
    return parse_quantity(str(text)) if text is not None else None
