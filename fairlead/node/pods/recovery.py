"""Rebuilds a pod's state for a new agent, from the zygote's list and the pod's own status. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fairlead.api.core.pod.containers.containerstatus import ContainerStatus
from fairlead.api.core.pod.kind import Pod
from fairlead.base.instant import Instant, parse_time
from fairlead.node.pods.state import NEVER, ContainerState, Exit, PodState, all_containers
from fairlead.node.pods.status import CONTAINER_ID
from fairlead.node.runtime.messages import Run, Sandbox

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
        elif status is not None and status.containerID:
            pod_state.containers[container.name] = _lost(status, now)
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


def _lost(status: ContainerStatus, now: Instant) -> ContainerState:
    """Returns the state of a run whose zygote has died: it counts as killed, and starts again at once."""
    running = status.state.running
    started_at = parse_time(running.startedAt) if running and running.startedAt else NEVER
    id_ = status.containerID.removeprefix(CONTAINER_ID)
    ended = Exit(id_, _LOST, 9, started_at, now, reason="NodeLost", message="the node was stopped")
    return ContainerState(phase="exited", attempt=status.restartCount, id=id_, image_id=status.imageID, exit=ended)
