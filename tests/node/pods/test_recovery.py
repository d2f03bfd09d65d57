"""The state of a pod after an end of its node."""

from __future__ import annotations

from typing import Any

import pytest

from fairlead.api.core.pod.containers.containerstatus import ContainerStatus
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.status import PodStatus
from fairlead.base.instant import Instant, render_time
from fairlead.node.pods.deciding.plan import SetUp, Start, decide, finished
from fairlead.node.pods.deciding.recovery import recover
from fairlead.node.pods.deciding.state import PodState
from fairlead.node.pods.deciding.status import render_status
from tests.node.makers import NOW, pod

BEGAN = render_time(Instant(NOW - 60))
ENDED = render_time(Instant(NOW - 30))
RUNNING = {"running": {"startedAt": BEGAN}}
INIT = [{"name": "setup", "image": "fairlead/web"}]


def end(code: int, reason: str) -> dict[str, Any]:
    run = {"startedAt": BEGAN, "finishedAt": ENDED, "containerID": "fairlead://old"}
    return {"terminated": run | {"exitCode": code, "reason": reason}}


def container(name: str = "main", **state: Any) -> dict[str, Any]:
    return {"name": name, "image": "fairlead/web", "containerID": "fairlead://old", "restartCount": 2} | state


def lost(*, init: dict[str, Any] | None = None, meta: dict[str, Any] | None = None, **main: Any) -> Pod:
    policy = main.pop("policy", "Always")
    status = {"phase": "Running", "containerStatuses": [container(**main)]}
    inits = {"initContainerStatuses": [init]} if init else {}
    spec = {"initContainers": INIT} if init else {}
    return pod(status=status | inits, meta=meta, restartPolicy=policy, **spec)


def recovered(lost_pod: Pod) -> tuple[PodState, PodStatus]:
    state = recover(lost_pod, None, (), now=NOW)
    return state, render_status(lost_pod, state, host_ips=["172.30.0.11"], now=NOW)


def only(status: PodStatus) -> ContainerStatus:
    return status.containerStatuses[0]


def test_a_container_that_runs_again_after_its_node_waits_for_its_next_run() -> None:
    state, status = recovered(lost(state=RUNNING))
    main = only(status)
    assert main.state.waiting is not None
    assert main.state.terminated is None
    assert main.state.waiting.reason == "ContainerCreating"
    assert main.restartCount == 3
    assert main.lastState.terminated is not None
    assert (main.lastState.terminated.reason, main.lastState.terminated.exitCode) == ("NodeLost", 137)
    assert status.phase == "Running"
    assert decide(lost(state=RUNNING), state, NOW).actions == (SetUp(),)
    state.sandbox = "up"
    assert decide(lost(state=RUNNING), state, NOW).actions == (Start("main", 3, 0.0),)


def test_a_second_end_of_the_node_before_the_next_run_counts_no_restart() -> None:
    _, status = recovered(lost(state=RUNNING))
    waiting = {"waiting": {"reason": "ContainerCreating"}}
    again = lost(containerID="", restartCount=3, state=waiting, lastState=end(137, "NodeLost"))
    main = only(recovered(again)[1])
    assert main.restartCount == 3
    assert main.lastState.terminated is not None
    assert main.lastState.terminated.reason == "NodeLost"
    assert only(status).containerID == main.containerID == ""


def test_a_container_that_had_ended_keeps_its_end() -> None:
    state, status = recovered(lost(policy="OnFailure", state=end(0, "Completed")))
    main = only(status)
    assert main.state.terminated is not None
    assert (main.state.terminated.reason, main.state.terminated.exitCode) == ("Completed", 0)
    assert main.state.terminated.finishedAt == ENDED
    assert finished(lost(policy="OnFailure"), state)
    assert status.phase == "Succeeded"


def test_a_container_that_waited_after_a_crash_shows_that_crash() -> None:
    waiting = {"waiting": {"reason": "CrashLoopBackOff"}}
    main = only(recovered(lost(state=waiting, lastState=end(1, "Error")))[1])
    assert main.restartCount == 3
    assert main.lastState.terminated is not None
    assert (main.lastState.terminated.reason, main.lastState.terminated.exitCode) == ("Error", 1)


@pytest.mark.parametrize("meta", [{}, {"deletionTimestamp": ENDED}])
def test_a_container_that_does_not_run_again_shows_that_its_node_was_lost(meta: dict[str, Any]) -> None:
    main = only(recovered(lost(policy="Always" if meta else "Never", state=RUNNING, meta=meta))[1])
    assert main.state.terminated is not None
    assert main.state.terminated.reason == "NodeLost"
    assert main.restartCount == 2


def test_init_containers_run_again_in_the_new_sandbox() -> None:
    whole = lost(init=container("setup", state=end(0, "Completed")), state=RUNNING)
    state, status = recovered(whole)
    setup = status.initContainerStatuses[0]
    assert setup.state.waiting is not None
    assert setup.state.waiting.reason == "PodInitializing"
    assert setup.lastState.terminated is not None
    assert setup.lastState.terminated.reason == "Completed"
    state.sandbox = "up"
    assert decide(whole, state, NOW).actions == (Start("setup", 3, 0.0),)


def test_the_init_container_of_a_pod_that_never_restarts_keeps_its_end() -> None:
    whole = lost(init=container("setup", state=end(0, "Completed")), policy="Never", state=RUNNING)
    state, status = recovered(whole)
    assert status.initContainerStatuses[0].state.terminated is not None
    assert status.initContainerStatuses[0].state.terminated.exitCode == 0
    assert (finished(whole, state), status.phase) == (True, "Failed")
