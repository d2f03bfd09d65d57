"""A pod's status from its state on the node."""

from __future__ import annotations

from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.status import PodStatus
from fairlead.node.pods.deciding.state import ContainerState, Exit, PodState, Waiting
from fairlead.node.pods.deciding.status import qos_class, render_status
from tests.node.makers import NOW, exited, pod, pod_state, running


def status(p: Pod, state: PodState) -> PodStatus:
    return render_status(p, state, host_ips=("172.30.0.11",), now=NOW)


def conditions(found: PodStatus) -> dict[str, str]:
    return {c.type: c.status for c in found.conditions}


def test_a_pod_in_the_making_is_pending() -> None:
    found = status(pod(), PodState(started_at=NOW))
    waiting = found.containerStatuses[0].state.waiting
    assert found.phase == "Pending"
    assert waiting is not None
    assert waiting.reason == "ContainerCreating"
    assert conditions(found) == {
        "PodReadyToStartContainers": "False",
        "Initialized": "True",
        "Ready": "False",
        "ContainersReady": "False",
    }


def test_a_running_pod_is_ready_when_its_containers_are() -> None:
    found = status(pod("a", "b"), pod_state(a=running(), b=running(ready=False)))
    assert found.phase == "Running"
    ready = next(c for c in found.conditions if c.type == "Ready")
    assert (ready.status, ready.reason) == ("False", "ContainersNotReady")
    assert ready.message == "containers with unready status: [b]"
    both = status(pod("a", "b"), pod_state(a=running(), b=running()))
    assert conditions(both)["Ready"] == "True"
    assert (both.podIP, both.hostIP) == ("10.244.1.2", "172.30.0.11")


def test_a_condition_keeps_its_time_until_it_changes() -> None:
    old = {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2020-01-01T00:00:00Z"}]}
    times = {c.type: c.lastTransitionTime for c in status(pod(status=old), pod_state(main=running())).conditions}
    assert times["Ready"] == "2020-01-01T00:00:00Z"
    assert times["Initialized"] == "2023-11-14T22:13:20Z"


def test_others_conditions_are_kept_and_readiness_gates_count() -> None:
    old = {"conditions": [{"type": "PodScheduled", "status": "True"}]}
    gated = pod(status=old, readinessGates=[{"conditionType": "example.com/gate"}])
    found = status(gated, pod_state(main=running()))
    assert conditions(found)["PodScheduled"] == "True"
    assert conditions(found)["ContainersReady"] == "True"
    assert conditions(found)["Ready"] == "False"


def test_a_crash_loop_waits_and_remembers_the_crash() -> None:
    container = status(pod(), pod_state(main=exited(3, attempt=1, backoff_s=10.0))).containerStatuses[0]
    assert container.state.waiting is not None
    assert container.state.waiting.reason == "CrashLoopBackOff"
    assert container.state.waiting.message == "back-off 10s restarting failed container=main pod=p_ns(u-1)"
    assert container.lastState.terminated is not None
    assert (container.lastState.terminated.exitCode, container.restartCount) == (3, 1)


def test_a_missing_image_is_reported_with_the_reason() -> None:
    state = pod_state(main=ContainerState(waiting=Waiting("ErrImagePull", "no such image")))
    waiting = status(pod(), state).containerStatuses[0].state.waiting
    assert waiting is not None
    assert (waiting.reason, waiting.message) == ("ErrImagePull", "no such image")


def test_the_end_of_a_pod_is_success_or_failure() -> None:
    never = pod(restartPolicy="Never")
    good, bad = status(never, pod_state(main=exited(0))), status(never, pod_state(main=exited(1)))
    assert (good.phase, bad.phase) == ("Succeeded", "Failed")
    assert next(c.reason for c in good.conditions if c.type == "Ready") == "PodCompleted"
    ended = good.containerStatuses[0].state.terminated
    assert ended is not None
    assert ended.reason == "Completed"


def test_a_deleted_pod_whose_containers_have_ended_is_over() -> None:
    state = pod_state(main=exited(137))
    state.ending = True
    assert status(pod(), state).phase == "Failed"


def test_the_run_before_is_shown_beside_the_present_one() -> None:
    last = Exit("old", 1, 0, NOW, NOW)
    container = status(pod(), pod_state(main=running(attempt=1, last=last))).containerStatuses[0]
    assert container.state.running is not None
    assert container.lastState.terminated is not None
    assert container.lastState.terminated.containerID == "fairlead://old"


def test_init_containers_are_ready_when_done() -> None:
    p = pod(initContainers=[{"name": "i", "image": "x"}])
    before, after = status(p, pod_state(i=running())), status(p, pod_state(i=exited(0), main=running()))
    assert conditions(before)["Initialized"] == "False"
    assert before.phase == "Pending"
    assert before.containerStatuses[0].state.waiting is not None
    assert before.containerStatuses[0].state.waiting.reason == "PodInitializing"
    assert after.initContainerStatuses[0].ready
    assert conditions(after)["Initialized"] == "True"


def test_the_quality_of_service_follows_requests_and_limits() -> None:
    def of(**resources: dict[str, str]) -> str:
        return qos_class(pod(containers=[{"name": "c", "image": "x", "resources": resources}]))

    both = {"cpu": "1", "memory": "1Gi"}
    assert of() == "BestEffort"
    assert of(limits=both) == "Guaranteed"
    assert of(limits=both, requests={"cpu": "1000m"}) == "Guaranteed"
    assert of(limits=both, requests={"cpu": "500m"}) == "Burstable"
    assert of(requests={"cpu": "1"}) == "Burstable"


def test_a_container_added_to_debug_has_a_status_of_its_own_and_none_of_the_pods() -> None:
    p = pod(ephemeralContainers=[{"name": "dbg", "image": "busybox"}])
    before = status(p, pod_state(main=running()))
    (waiting,) = before.ephemeralContainerStatuses
    assert waiting.state.waiting is not None
    assert (waiting.name, waiting.state.waiting.reason) == ("dbg", "ContainerCreating")
    assert (before.phase, conditions(before)["Ready"], before.qosClass) == ("Running", "True", "BestEffort")
    found = status(p, pod_state(main=running(), dbg=running(image_id="sha256:1")))
    (shown,) = found.ephemeralContainerStatuses
    assert shown.state.running is not None
    assert (shown.ready, shown.started, shown.imageID, shown.restartCount) == (False, None, "sha256:1", 0)
    assert [c.name for c in found.containerStatuses] == ["main"]
    ended = status(p, pod_state(main=running(), dbg=exited(3)))
    assert ended.ephemeralContainerStatuses[0].state.terminated is not None
    assert (ended.phase, conditions(ended)["Ready"]) == ("Running", "True")
