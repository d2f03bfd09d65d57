"""Rebuilds a pod's state for a new agent, from the zygote's list and the pod's own status. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.containers.containerstatus import ContainerStateTerminated, ContainerStatus
from fairlead.api.core.pod.kind import Pod
from fairlead.base.instant import Instant, parse_time
from fairlead.node.pods.deciding.plan import is_init, restarts
from fairlead.node.pods.deciding.state import NEVER, ContainerState, Exit, PodState, all_containers
from fairlead.node.pods.deciding.status import CONTAINER_ID
from fairlead.node.runtime.protocol.messages import Run, Sandbox

_LOST = 137
"""The exit code of a run that ended while no agent was there to see it."""


def recover(pod: Pod, sandbox: Sandbox | None, runs: Sequence[Run], *, now: Instant) -> PodState:
    """Returns the pod's state. `sandbox` and `runs` are the zygote's, if it has any of this pod."""
    pod_state = PodState(started_at=parse_time(pod.status.startTime) if pod.status.startTime else now)
    known = pod.status
    listed = (*known.initContainerStatuses, *known.containerStatuses, *known.ephemeralContainerStatuses)
    statuses = {s.name: s for s in listed}
    if sandbox is not None:
        pod_state.sandbox, pod_state.ips = "up", sandbox.record.ips
    for container in all_containers(pod):
        own = sorted((r for r in runs if r.record.container == container.name), key=lambda r: r.record.attempt)
        status = statuses.get(container.name)
        if status is not None and status.resources is not None:
            pod_state.allocated[container.name] = msgspec.structs.replace(
                status.resources, requests=dict(status.allocatedResources)
            )
        if own:
            pod_state.containers[container.name] = _resumed(own, status, probed=container.readinessProbe is not None)
        elif status is not None and (status.containerID or status.restartCount):
            pod_state.containers[container.name] = _lost(pod, container, status, now)
    return pod_state


def _resumed(runs: Sequence[Run], status: ContainerStatus | None, *, probed: bool) -> ContainerState:
    current, record = runs[-1], runs[-1].record
    state = ContainerState(
        phase="exited" if current.exit else "running",
        attempt=record.attempt,
        id=current.id,
        image=record.image,
        image_id=record.image_id,
        pid=current.pid,
        resources=status.resources if status is not None else None,
        started_at=Instant(current.started_at),
        exit=_exit(current),
        last=_exit(runs[-2]) if len(runs) > 1 else None,
        backoff_s=record.backoff_s,
    )
    known = status is not None and status.containerID == CONTAINER_ID + state.id
    if state.phase == "running":
        state.started = bool(known and status and status.started)
        state.ready = bool(known and status and status.ready) if probed else state.started
    return state


def _exit(run: Run) -> Exit | None:
    if run.exit is None:
        return None
    return Exit(run.id, run.exit.code, run.exit.signal, Instant(run.started_at), Instant(run.exit.finished_at))


def _lost(pod: Pod, container: Container, status: ContainerStatus, now: Instant) -> ContainerState:
    """Returns the state of a container whose zygote has ended: a run without an end counts as killed. A container that
    runs again waits for its next run: the restart of a node is not a failure of the pod."""
    state = ContainerState(phase="exited", attempt=status.restartCount, image_id=status.imageID)
    state.id = status.containerID.removeprefix(CONTAINER_ID)
    if not state.id:  # the next run was counted already, and has not begun
        state.phase, state.last = "new", _reported(status.lastState.terminated)
        return state
    state.exit = _last_end(status) or _killed(status, now)
    if _runs_again(pod, container, state):
        state.phase, state.attempt = "new", state.attempt + 1
        state.last, state.exit, state.id = state.exit, None, ""
    return state


def _runs_again(pod: Pod, container: Container, state: ContainerState) -> bool:
    """Returns True also for an init container that has succeeded: the new sandbox has nothing of its work."""
    if pod.metadata.deletionTimestamp:
        return False
    again = is_init(pod, container.name) and (container.restartPolicy or pod.spec.restartPolicy) != "Never"
    return again or restarts(pod, container, state)


def _last_end(status: ContainerStatus) -> Exit | None:
    return _reported(status.state.terminated or (status.lastState.terminated if status.state.waiting else None))


def _killed(status: ContainerStatus, now: Instant) -> Exit:
    running = status.state.running
    started_at = parse_time(running.startedAt) if running and running.startedAt else NEVER
    id_ = status.containerID.removeprefix(CONTAINER_ID)
    return Exit(id_, _LOST, 9, started_at, now, reason="NodeLost", message="the node was stopped")


def _reported(end: ContainerStateTerminated | None) -> Exit | None:
    if end is None:
        return None
    started, finished = (parse_time(text) if text else NEVER for text in (end.startedAt, end.finishedAt))
    id_ = end.containerID.removeprefix(CONTAINER_ID)
    return Exit(id_, end.exitCode, end.signal, started, finished, reason=end.reason, message=end.message)
