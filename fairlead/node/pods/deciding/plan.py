"""Decides the next actions for a pod from its state and the time. Pure.

The worker calls `decide` after every change and carries out the result. A decision is made from the present state
alone: a lost wake-up costs delay, and a restarted agent continues at the same point.
"""

from __future__ import annotations

from collections.abc import Iterator

from fairlead.api.core.pod.containers.container import Container, ContainerRestartRule
from fairlead.api.core.pod.kind import Pod
from fairlead.base.dataclass import dataclass
from fairlead.base.instant import Instant, parse_time
from fairlead.node.pods.deciding.resize import lacks, needs_restart
from fairlead.node.pods.deciding.state import ContainerState, Exit, PodState, ephemeral, sidecar

BACKOFF_FIRST_S = 10.0
BACKOFF_LONGEST_S = 300.0
_HEALTHY_RUN_S = 600.0
"""A run of that length forgives the failures before it."""


@dataclass(frozen=True, slots=True)
class SetUp:
    """Make the sandbox, its network, and the volumes."""


@dataclass(frozen=True, slots=True)
class Start:
    container: str
    attempt: int
    backoff_s: float
    """The pause before the run after this one."""


@dataclass(frozen=True, slots=True)
class Stop:
    """End a container gracefully."""

    container: str
    message: str
    """The text of the `Killing` event."""
    again: bool = False
    """It is started again if the pod's policy allows any restart."""


@dataclass(frozen=True, slots=True)
class Resize:
    """Give a running container the limits that the node has granted."""

    container: str


@dataclass(frozen=True, slots=True)
class TearDown:
    """Nothing runs any more: take the sandbox away."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The pod has ended on the node: delete its API object too, and its files."""


@dataclass(frozen=True, slots=True)
class Fail:
    """The whole pod has failed."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Reset:
    """All containers have ended and start anew, the init containers first."""


Action = SetUp | Reset | Start | Stop | Resize | TearDown | Finish | Fail


@dataclass(frozen=True, slots=True)
class Decision:
    actions: tuple[Action, ...] = ()
    wake_at: Instant | None = None
    """Decide again by this time even without a change."""


def decide(pod: Pod, pod_state: PodState, now: Instant) -> Decision:
    if pod_state.ending:
        return Decision(tuple(_end(pod, pod_state)))
    if finished(pod, pod_state):
        return Decision(tuple(_wind_down(pod, pod_state)))
    if pod_state.restart_all:
        return Decision(tuple(_stop_all(pod, pod_state)) if not _nothing_runs(pod_state) else (Reset(),))
    deadline = _deadline(pod, pod_state)
    if deadline is not None and now >= deadline:
        return Decision((Fail("DeadlineExceeded", "Pod was active on the node longer than the specified deadline"),))
    if pod_state.sandbox != "up":
        due = pod_state.sandbox == "none" and now >= pod_state.retry_at
        return Decision((SetUp(),) if due else (), earliest(pod_state.retry_at if not due else None, deadline))
    actions: list[Action] = []
    waits: list[Instant | None] = [deadline]
    for container in _due_containers(pod, pod_state):
        action, wait = _next_step(container, pod_state, now)
        actions += [action] if action is not None else []
        waits.append(wait)
    return Decision(tuple(actions), earliest(*waits))


def _next_step(container: Container, pod_state: PodState, now: Instant) -> tuple[Action | None, Instant | None]:
    """Returns what is due for a container, or the time at which something will be."""
    state = pod_state.of(container.name)
    if state.phase == "running" and not state.stopping:
        if why := _why_restart(container, state, pod_state):
            return Stop(container.name, f"Container {container.name} {why}, will be restarted", again=True), None
        if lacks(state, pod_state.allocated.get(container.name)):
            return (Resize(container.name), None) if now >= state.resize_at else (None, state.resize_at)
    if state.phase in ("new", "exited"):
        at = due_at(state)
        return (_start(container, state), None) if now >= at else (None, at)
    return None, None


def _due_containers(pod: Pod, pod_state: PodState) -> Iterator[Container]:
    """Yields the containers that should run now, depending on the progress of the init containers."""
    yield from (c for c in pod.spec.ephemeralContainers if pod_state.of(c.name).phase != "exited")
    for container in pod.spec.initContainers:
        state = pod_state.of(container.name)
        if sidecar(container):
            yield container
            if not (state.phase == "running" and state.started):
                return
        elif not _succeeded(state):
            yield container
            return
    for container in pod.spec.containers:
        state = pod_state.of(container.name)
        if state.phase != "exited" or restarts(pod, container, state):
            yield container


def _why_restart(container: Container, state: ContainerState, pod_state: PodState) -> str:
    if ephemeral(container):
        return ""
    if state.unhealthy:
        return f"failed {state.unhealthy}"
    granted = pod_state.allocated.get(container.name)
    if granted is not None and lacks(state, granted) and needs_restart(container, state, granted):
        return "resize requires restart"
    return "definition changed" if state.image and state.image != container.image else ""


def _succeeded(state: ContainerState) -> bool:
    return state.phase == "exited" and state.exit is not None and state.exit.code == 0


def restarts(pod: Pod, container: Container, state: ContainerState) -> bool:
    """Returns True if a container that has ended runs again."""
    if sidecar(container):
        return True
    if ephemeral(container):
        return False
    policy = container.restartPolicy or pod.spec.restartPolicy or "Always"
    if state.again:
        return policy != "Never"
    if state.exit is not None and rule_for(container, state.exit.code) is not None:
        return True
    failed = state.exit is not None and state.exit.code != 0
    if is_init(pod, container.name):
        return failed and policy != "Never"
    return policy == "Always" or (policy == "OnFailure" and failed)


def rule_for(container: Container, code: int) -> ContainerRestartRule | None:
    """Returns the first rule that names the exit code."""
    for rule in container.restartPolicyRules:
        codes = rule.exitCodes
        if codes is not None and (code in codes.values) == (codes.operator == "In"):
            return rule
    return None


def restarts_all(container: Container, exit_: Exit) -> bool:
    """Returns True if a rule restarts all containers of the pod after this end."""
    rule = rule_for(container, exit_.code)
    return rule is not None and rule.action == "RestartAllContainers"


def finished(pod: Pod, pod_state: PodState) -> bool:
    """Returns True if the pod has succeeded or failed permanently."""
    if pod_state.reason:
        return True
    if pod_state.restart_all:
        return False
    for container in pod.spec.initContainers:
        state = pod_state.of(container.name)
        ended_badly = state.phase == "exited" and not _succeeded(state)
        if ended_badly and not restarts(pod, container, state):
            return True
    mains = [(c, pod_state.of(c.name)) for c in pod.spec.containers]
    return all(state.phase == "exited" and not restarts(pod, c, state) for c, state in mains)


def initialized(pod: Pod, pod_state: PodState) -> bool:
    """Returns True if all init containers have finished."""
    for container in pod.spec.initContainers:
        state = pod_state.of(container.name)
        good = (state.phase == "running" and state.started) if sidecar(container) else _succeeded(state)
        if not good:
            return False
    return True


def pause_s(state: ContainerState) -> float:
    """Returns the back-off of an ended container before its next run, in seconds."""
    if state.exit is None or state.exit.finished_at - state.exit.started_at >= _HEALTHY_RUN_S:
        return 0.0
    return state.backoff_s


def due_at(state: ContainerState) -> Instant:
    """Returns the time from which a container that does not run may be started."""
    rested = state.exit.finished_at + pause_s(state) if state.exit else 0.0
    return Instant(max(rested, state.retry_at))


def _start(container: Container, state: ContainerState) -> Start:
    if state.exit is None:
        return Start(container.name, state.attempt, state.backoff_s)
    return Start(container.name, state.attempt + 1, longer(pause_s(state)))


def longer(backoff_s: float) -> float:
    return min(max(BACKOFF_FIRST_S, 2 * backoff_s), BACKOFF_LONGEST_S)


def _wind_down(pod: Pod, pod_state: PodState) -> Iterator[Action]:
    """Stops what still runs of a pod that has ended, then removes the sandbox; the API object stays.

    The zygote forgets the containers with their sandbox. An agent that starts before the API knows their ends would
    take them for lost."""
    yield from _stop_all(pod, pod_state)
    if pod_state.sandbox == "up" and _nothing_runs(pod_state) and pod.status.phase in ("Succeeded", "Failed"):
        yield TearDown()


def _end(pod: Pod, pod_state: PodState) -> Iterator[Action]:
    yield from _stop_all(pod, pod_state)
    if not _nothing_runs(pod_state) or pod_state.sandbox == "working":
        return
    yield TearDown() if pod_state.sandbox == "up" else Finish()


def _stop_all(pod: Pod, pod_state: PodState) -> Iterator[Action]:
    """Stops the containers first, then their sidecars in reverse order."""
    mains = [c for c in (*pod.spec.containers, *pod.spec.ephemeralContainers) if _alive(pod_state.of(c.name))]
    helpers = [c for c in reversed(pod.spec.initContainers) if _alive(pod_state.of(c.name))]
    for container in mains or helpers[:1]:
        state = pod_state.of(container.name)
        if state.phase == "running" and not state.stopping:
            yield Stop(container.name, f"Stopping container {container.name}")


def _alive(state: ContainerState) -> bool:
    return state.phase in ("starting", "running")


def _nothing_runs(pod_state: PodState) -> bool:
    return not any(_alive(state) for state in pod_state.containers.values())


def _deadline(pod: Pod, pod_state: PodState) -> Instant | None:
    if pod.spec.activeDeadlineSeconds is None or not pod_state.started_at:
        return None
    return Instant(pod_state.started_at + pod.spec.activeDeadlineSeconds)


def earliest(*times: Instant | None) -> Instant | None:
    known = [t for t in times if t]
    return min(known) if known else None


def grace_s(pod: Pod, now: Instant) -> float:
    """Returns the seconds that containers have between the stop signal and SIGKILL."""
    meta = pod.metadata
    whole = 30 if pod.spec.terminationGracePeriodSeconds is None else pod.spec.terminationGracePeriodSeconds
    if meta.deletionTimestamp is None:
        return float(max(whole, 1))
    if meta.deletionGracePeriodSeconds is None:
        return float(whole)
    # The timestamp is the moment by which all should be over; an agent that comes late has less time left. It is in
    # whole seconds, rounded down: without that second, a grace of 1 s could be none at all.
    left = parse_time(meta.deletionTimestamp) + 1 - now
    return max(min(float(meta.deletionGracePeriodSeconds), left), 0.0)


def exit_reason(exit_: Exit) -> str:
    if exit_.reason:
        return exit_.reason
    return "Completed" if exit_.code == 0 else "Error"


def field_of(pod: Pod, name: str) -> str:
    """Returns the list of the pod's spec that has a container."""
    if is_init(pod, name):
        return "initContainers"
    return "ephemeralContainers" if any(c.name == name for c in pod.spec.ephemeralContainers) else "containers"


def is_init(pod: Pod, name: str) -> bool:
    return any(c.name == name for c in pod.spec.initContainers)
