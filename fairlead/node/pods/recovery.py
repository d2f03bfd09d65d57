"""What a new agent believes of a pod, from the zygote's list and the pod's own status. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fairlead.api.core.pod.containerstatus import ContainerStatus
from fairlead.api.core.pod.kind import Pod
from fairlead.base.instant import Instant, parse_time
from fairlead.node.pods.state import NEVER, ContainerSeen, Exit, PodSeen, all_containers
from fairlead.node.pods.status import CONTAINER_ID
from fairlead.node.runtime.wire import Message

_LOST = 137
"""The exit code of a run that ended while nobody was there to see it."""


def sandbox_meta(pod: Pod, ips: Sequence[str]) -> dict[str, Any]:
    """What the zygote keeps of a pod for the next agent."""
    meta = pod.metadata
    return {"uid": meta.uid, "namespace": meta.namespace, "name": meta.name, "ip": ips[0], "ips": list(ips)}


def recover(pod: Pod, sandbox: Message | None, children: list[Message], *, now: Instant) -> PodSeen:
    """`sandbox` and `children` are the zygote's, if it has any of this pod."""
    seen = PodSeen(started_at=parse_time(pod.status.startTime) if pod.status.startTime else now)
    known = pod.status
    listed = (*known.initContainerStatuses, *known.containerStatuses, *known.ephemeralContainerStatuses)
    statuses = {s.name: s for s in listed}
    if sandbox is not None:
        seen.sandbox, seen.ips = "up", tuple(sandbox["meta"]["ips"])
    for container in all_containers(pod):
        runs = sorted(
            (c for c in children if c["meta"]["container"] == container.name), key=lambda c: int(c["meta"]["attempt"])
        )
        status = statuses.get(container.name)
        if runs:
            seen.containers[container.name] = _resumed(runs, status, probed=container.readinessProbe is not None)
        elif status is not None and status.containerID:
            seen.containers[container.name] = _lost(status, now)
    return seen


def _resumed(runs: list[Message], status: ContainerStatus | None, *, probed: bool) -> ContainerSeen:
    current = runs[-1]
    meta = current["meta"]
    state = ContainerSeen(
        phase="exited" if current["exit"] else "running",
        attempt=meta["attempt"],
        id=current["id"],
        image=meta["image"],
        image_id=meta["image_id"],
        started_at=Instant(current["started"]),
        exit=_exit(current) if current["exit"] else None,
        last=_exit(runs[-2]) if len(runs) > 1 and runs[-2]["exit"] else None,
        backoff_s=meta["backoff_s"],
    )
    known = status is not None and status.containerID == CONTAINER_ID + state.id
    if state.phase == "running":
        state.started = bool(known and status and status.started)
        state.ready = bool(known and status and status.ready) if probed else state.started
    return state


def _exit(run: Message) -> Exit:
    told = run["exit"]
    return Exit(run["id"], told["code"], told["signal"], Instant(run["started"]), Instant(told["time"]))


def _lost(status: ContainerStatus, now: Instant) -> ContainerSeen:
    """It ran under a zygote that is no more: it counts as killed, and starts again at once."""
    running = status.state.running
    started_at = parse_time(running.startedAt) if running and running.startedAt else NEVER
    id_ = status.containerID.removeprefix(CONTAINER_ID)
    ended = Exit(id_, _LOST, 9, started_at, now, reason="NodeLost", message="the node was stopped")
    return ContainerSeen(phase="exited", attempt=status.restartCount, id=id_, image_id=status.imageID, exit=ended)
