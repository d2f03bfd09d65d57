"""The time that endpoints give for the change that they were written for."""

from __future__ import annotations

from fairlead.api.core.pod.kind import Pod
from fairlead.base.clock import FakeClock
from fairlead.base.instant import Instant, render_time
from fairlead.controllers.triggers import TriggerTimes
from tests.controllers.factories import pod, service

KEY = "default/web"


def ready_at(at: float, name: str = "a") -> Pod:
    made = pod(name)
    for condition in made.status.conditions:
        condition.lastTransitionTime = render_time(Instant(at))
    return made


def test_a_change_that_is_seen_at_once_has_the_exact_time() -> None:
    clock = FakeClock(1_700_000_000.25)
    times, svc = TriggerTimes(clock), service()
    times.drain(KEY, svc, [])
    clock.advance(100.5)
    times.record_change(KEY)
    clock.advance(0.3)
    assert times.drain(KEY, svc, [ready_at(clock.now())]) == Instant(1_700_000_100.75)


def test_a_change_that_was_missed_has_the_time_that_it_recorded() -> None:
    clock = FakeClock()
    times, svc = TriggerTimes(clock), service()
    times.drain(KEY, svc, [ready_at(1_700_000_000)])
    clock.advance(60)
    times.record_change(KEY)
    pods = [ready_at(1_700_000_000), ready_at(1_700_000_030, "b"), ready_at(1_700_000_020, "c")]
    assert times.drain(KEY, svc, pods) == Instant(1_700_000_020), "the earliest of those that are new"
    assert times.drain(KEY, svc, pods) == clock.now(), "nothing is new"


def test_of_a_service_that_is_looked_at_first_the_latest_record_counts() -> None:
    clock = FakeClock()
    clock.advance(3600)
    times, svc = TriggerTimes(clock), service()
    times.record_change(KEY)
    assert times.drain(KEY, svc, [ready_at(1_700_000_000), ready_at(1_700_003_000, "b")]) == Instant(1_700_003_000)


def test_a_pod_that_was_ready_long_before_it_was_selected_says_nothing_about_the_change() -> None:
    clock = FakeClock()
    times, svc = TriggerTimes(clock), service()
    clock.advance(3600)
    times.drain(KEY, svc, [])
    clock.advance(60)
    times.record_change(KEY)
    assert times.drain(KEY, svc, [ready_at(1_700_000_000)]) == clock.now()


def test_what_could_not_be_written_keeps_its_time() -> None:
    clock = FakeClock()
    times, svc = TriggerTimes(clock), service()
    times.drain(KEY, svc, [])
    times.record_change(KEY)
    at = times.drain(KEY, svc, [])
    times.restore(KEY, at)
    clock.advance(5)
    times.record_change(KEY)
    assert times.drain(KEY, svc, []) == at
    times.delete(KEY)
    clock.advance(5)
    assert times.drain(KEY, service(), []) == clock.now()
