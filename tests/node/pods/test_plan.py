"""Decisions for a pod."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.api.core.pod.kind import Pod
from fairlead.base.instant import Instant
from fairlead.node.pods.deciding.plan import (
    Decision,
    Fail,
    Finish,
    Reset,
    SetUp,
    Start,
    Stop,
    TearDown,
    decide,
    finished,
    grace_s,
    longer,
    restarts_all,
)
from fairlead.node.pods.deciding.state import ContainerState, PodState
from tests.node.makers import NOW, exit_, exited, pod, pod_state, running


def later(seconds: float) -> Instant:
    return Instant(NOW + seconds)


def test_a_new_pod_is_set_up_first() -> None:
    assert decide(pod(), PodState(), NOW) == Decision((SetUp(),))


def test_a_failed_set_up_waits_for_its_time() -> None:
    state = PodState(retry_at=later(5))
    assert decide(pod(), state, NOW) == Decision((), later(5))
    assert decide(pod(), state, later(5)) == Decision((SetUp(),))


def test_all_containers_start_at_once() -> None:
    assert decide(pod("a", "b"), pod_state(), NOW).actions == (Start("a", 0, 0.0), Start("b", 0, 0.0))


def test_nothing_is_done_while_a_container_starts_or_runs() -> None:
    state = pod_state(a=running(), b=ContainerState(phase="starting"))
    assert decide(pod("a", "b"), state, NOW) == Decision()


def test_the_first_restart_is_at_once_and_the_next_ones_wait_longer_and_longer() -> None:
    assert decide(pod(), pod_state(main=exited(1)), NOW).actions == (Start("main", 1, 10.0),)
    waiting = pod_state(main=exited(1, attempt=1, backoff_s=10.0))
    assert decide(pod(), waiting, NOW) == Decision((), later(10))
    assert decide(pod(), waiting, later(10)).actions == (Start("main", 2, 20.0),)
    assert [longer(s) for s in (0, 10, 20, 160, 300)] == [10, 20, 40, 300, 300]


def test_a_long_run_forgives_what_was_before() -> None:
    state = pod_state(main=exited(1, ran_s=700, attempt=7, backoff_s=300.0))
    assert decide(pod(), state, NOW).actions == (Start("main", 8, 10.0),)


def test_the_restart_policy_says_what_runs_again() -> None:
    for policy, code, again in (
        ("Always", 0, True),
        ("Always", 1, True),
        ("OnFailure", 0, False),
        ("OnFailure", 1, True),
        ("Never", 1, False),
    ):
        actions = decide(pod(restartPolicy=policy), pod_state(main=exited(code)), NOW).actions
        assert any(isinstance(a, Start) for a in actions) is again, (policy, code)


def test_a_pod_that_is_over_gives_up_its_sandbox_once_the_api_knows_and_stays() -> None:
    p, state = pod(restartPolicy="Never"), pod_state(main=exited(0))
    assert finished(p, state)
    p.status.phase = "Running"
    assert decide(p, state, NOW) == Decision(), "a new agent could not learn the exit code"
    p.status.phase = "Succeeded"
    assert decide(p, state, NOW).actions == (TearDown(),)
    state.sandbox = "down"
    assert decide(p, state, NOW) == Decision()


def inits(*policies: str | None) -> Pod:
    found = [{"name": f"i{n}", "image": "x", "restartPolicy": policy} for n, policy in enumerate(policies)]
    return pod(initContainers=found)


def test_init_containers_run_one_after_the_other() -> None:
    p = inits(None, None)
    assert decide(p, pod_state(), NOW).actions == (Start("i0", 0, 0.0),)
    assert decide(p, pod_state(i0=running()), NOW).actions == ()
    assert decide(p, pod_state(i0=exited(0)), NOW).actions == (Start("i1", 0, 0.0),)
    assert decide(p, pod_state(i0=exited(0), i1=exited(0)), NOW).actions == (Start("main", 0, 0.0),)


def test_a_failing_init_container_is_tried_again_unless_nothing_is_ever_restarted() -> None:
    assert decide(inits(None), pod_state(i0=exited(1)), NOW).actions == (Start("i0", 1, 10.0),)
    never = inits(None)
    never.spec.restartPolicy, never.status.phase = "Never", "Failed"
    assert decide(never, pod_state(i0=exited(1)), NOW).actions == (TearDown(),)


def test_a_sidecar_is_waited_for_until_it_has_started_and_runs_again_by_itself() -> None:
    p = inits("Always", None)
    assert decide(p, pod_state(i0=running(started=False)), NOW).actions == ()
    assert decide(p, pod_state(i0=running()), NOW).actions == (Start("i1", 0, 0.0),)
    up = pod_state(i0=exited(0), i1=exited(0), main=running())
    assert decide(p, up, NOW).actions == (Start("i0", 1, 10.0),)


def test_sidecars_end_after_the_containers_the_last_one_first() -> None:
    p = inits("Always", "Always")
    state = pod_state(i0=running(), i1=running(), main=running())
    state.ending = True
    assert decide(p, state, NOW).actions == (Stop("main", "Stopping container main"),)
    state.containers["main"] = exited(0)
    assert decide(p, state, NOW).actions == (Stop("i1", "Stopping container i1"),)


def test_a_deleted_pod_ends_step_by_step() -> None:
    state = pod_state(main=running())
    state.ending = True
    assert decide(pod(), state, NOW).actions == (Stop("main", "Stopping container main"),)
    state.of("main").stopping = True
    assert decide(pod(), state, NOW).actions == ()
    state.containers["main"] = exited(0)
    assert decide(pod(), state, NOW).actions == (TearDown(),)
    state.sandbox = "down"
    assert decide(pod(), state, NOW).actions == (Finish(),)


def test_a_pod_deleted_before_it_ran_is_finished_at_once() -> None:
    assert decide(pod(), PodState(ending=True), NOW).actions == (Finish(),)
    assert decide(pod(), PodState(ending=True, sandbox="working"), NOW).actions == ()


def test_an_unhealthy_container_is_stopped_once() -> None:
    state = pod_state(main=running(unhealthy="liveness probe"))
    expected = Stop("main", "Container main failed liveness probe, will be restarted", again=True)
    assert decide(pod(), state, NOW).actions == (expected,)
    state.of("main").stopping = True
    assert decide(pod(), state, NOW).actions == ()


def test_a_container_whose_image_was_changed_is_restarted() -> None:
    state = pod_state(main=running(image="fairlead/web"))
    assert decide(pod(), state, NOW).actions == ()
    state.of("main").image = "nginx:1.14"
    stop = Stop("main", "Container main definition changed, will be restarted", again=True)
    assert decide(pod(), state, NOW).actions == (stop,)


def test_a_pod_past_its_deadline_fails() -> None:
    p, state = pod(activeDeadlineSeconds=5), pod_state(main=running())
    assert decide(p, state, NOW) == Decision((), later(5))
    action = decide(p, state, later(5)).actions[0]
    assert isinstance(action, Fail)
    assert action.reason == "DeadlineExceeded"


def test_the_grace_is_what_the_deletion_leaves_of_it() -> None:
    assert grace_s(pod(terminationGracePeriodSeconds=7), NOW) == 7
    assert grace_s(pod(), NOW) == 30
    meta = {"deletionTimestamp": "2023-11-14T22:13:40Z", "deletionGracePeriodSeconds": 30}  # 20 s after NOW
    assert grace_s(pod(meta=meta), NOW) == 21, "the timestamp has lost up to a second"
    meta_soon = {"deletionTimestamp": "2023-11-14T22:13:22Z", "deletionGracePeriodSeconds": 2}
    assert grace_s(pod(meta=meta_soon), later(0.9)) == 2, "an agent that comes at once gives all of it"
    assert grace_s(pod(meta=meta | {"deletionGracePeriodSeconds": 0}), NOW) == 0


@given(
    policy=st.sampled_from(["Always", "OnFailure", "Never"]),
    codes=st.lists(st.integers(0, 2), max_size=12),
    ending_after=st.integers(0, 12),
)
def test_doing_what_is_decided_always_leads_somewhere(policy: str, codes: list[int], ending_after: int) -> None:
    """Carries out every action at once: a running container is not started again, and a deleted pod is removed."""
    p, state, now, outcomes = pod("a", "b", restartPolicy=policy), PodState(), NOW, iter(codes)
    for step in range(200):
        state.ending = state.ending or step >= ending_after
        decision = decide(p, state, now)
        if Finish() in decision.actions:
            return
        for action in decision.actions:
            _apply(action, state, now, next(outcomes, None))
        if not decision.actions:
            now = decision.wake_at or Instant(now + 1)
    raise AssertionError(f"never finished: {dataclasses.asdict(state)}")


def _apply(action: object, state: PodState, now: Instant, outcome: int | None) -> None:
    match action:
        case SetUp():
            state.sandbox = "up"
        case Start(name, attempt, backoff_s):
            old = state.of(name)
            assert old.phase in ("new", "exited")
            new = running() if outcome is None else exited(outcome, at=now)
            new.attempt, new.backoff_s = attempt, backoff_s
            state.containers[name] = new
        case Stop(name, _):
            state.containers[name] = exited(143, at=now, attempt=state.of(name).attempt)
        case TearDown():
            assert all(c.phase not in ("running", "starting") for c in state.containers.values())
            state.sandbox = "down"
        case _:
            raise AssertionError(action)


def debugged(**ephemeral: object) -> Pod:
    return pod(ephemeralContainers=[{"name": "dbg", "image": "busybox"} | ephemeral])


def test_a_container_added_to_debug_runs_once_and_beside_everything_else() -> None:
    p = debugged()
    assert decide(p, pod_state(main=running()), NOW).actions == (Start("dbg", 0, 0.0),)
    assert decide(p, pod_state(main=running(), dbg=running()), NOW) == Decision()
    assert decide(p, pod_state(main=running(), dbg=exited(1)), NOW) == Decision(), "however it ended"
    waiting = pod_state(main=running(), dbg=ContainerState(retry_at=later(5)))
    assert decide(p, waiting, NOW) == Decision((), later(5)), "a problem with its image is tried again"
    waits_for_init = pod(initContainers=[{"name": "i", "image": "x"}], ephemeralContainers=p.spec.ephemeralContainers)
    assert decide(waits_for_init, pod_state(i=running()), NOW).actions == (Start("dbg", 0, 0.0),)


def test_a_container_added_to_debug_neither_ends_a_pod_nor_outlives_it() -> None:
    p = debugged()
    p.spec.restartPolicy = "Never"
    assert not finished(p, pod_state(main=running(), dbg=exited(1)))
    over = pod_state(main=exited(0), dbg=running())
    assert finished(p, over)
    assert decide(p, over, NOW).actions == (Stop("dbg", "Stopping container dbg"),)
    ending = pod_state(main=running(), dbg=running())
    ending.ending = True
    assert [a for a in decide(p, ending, NOW).actions if isinstance(a, Stop)] == [
        Stop("main", "Stopping container main"),
        Stop("dbg", "Stopping container dbg"),
    ]


def rule(action: str, operator: str, *values: int) -> dict[str, Any]:
    return {"action": action, "exitCodes": {"operator": operator, "values": list(values)}}


def ruled(policy: str, *rules: dict[str, Any]) -> Pod:
    main = {"name": "main", "image": "x", "restartPolicy": policy, "restartPolicyRules": list(rules)}
    return pod(containers=[main, {"name": "other", "image": "x"}], restartPolicy="Never")


@pytest.mark.parametrize(
    ("policy", "rules", "code", "starts"),
    [
        ("Never", (), 1, False),
        ("OnFailure", (), 0, False),
        ("OnFailure", (), 1, True),
        ("Always", (), 0, True),
        ("Never", (rule("Restart", "In", 42, 43),), 43, True),
        ("Never", (rule("Restart", "In", 42, 43),), 1, False),
        ("Never", (rule("Restart", "NotIn", 0, 1),), 2, True),
        ("Never", (rule("Restart", "NotIn", 0, 1),), 1, False),
    ],
)
def test_a_containers_policy_and_rules_go_before_the_pods(
    policy: str, rules: tuple[dict[str, Any], ...], code: int, starts: bool
) -> None:
    state = pod_state(main=exited(code), other=running())
    assert decide(ruled(policy, *rules), state, NOW).actions == ((Start("main", 1, 10.0),) if starts else ())


def test_a_rule_restarts_all_containers_after_the_others_were_stopped() -> None:
    made = ruled("Never", rule("RestartAllContainers", "In", 7))
    state = pod_state(main=exited(7), other=running())
    assert restarts_all(made.spec.containers[0], exit_(7))
    assert not restarts_all(made.spec.containers[0], exit_(8))
    state.restart_all = True
    assert decide(made, state, NOW).actions == (Stop("other", "Stopping container other"),)
    state.containers["other"] = exited(0)
    assert decide(made, state, NOW).actions == (Reset(),)
    state.reset()
    assert decide(made, state, NOW).actions == (Start("main", 1, 0.0), Start("other", 1, 0.0))
    assert state.of("main").last == exited(7).exit
