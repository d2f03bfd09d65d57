from __future__ import annotations

from fairlead.api.core.pod.kind import POD, Pod
from fairlead.scheduler.framework import Change
from fairlead.scheduler.queue import SchedulingQueue, signature_of
from tests.scheduler.worlds import asking, wanting

FIT = frozenset(["Fit"])
CHANGE = Change(POD, wanting("gone"), None)


def queue(*names: str) -> SchedulingQueue:
    made = SchedulingQueue({"Fit": lambda pod, change: change.new is None, "Other": lambda pod, change: False})
    for name in names:
        made.put(name, wanting(name), 0)
    return made


def popped(q: SchedulingQueue, now: float) -> list[str]:
    found = []
    while (entry := q.pop(now)) is not None:
        found.append(entry[0])
    return found


def test_pods_come_by_priority_and_then_in_the_order_of_their_arrival() -> None:
    q = queue("a", "b")
    q.put("high", asking("high", priority=5), 0)
    q.put("c", wanting("c"), 0)
    assert popped(q, 0) == ["high", "a", "b", "c"]


def test_a_parked_pod_comes_back_only_for_a_change_that_helps() -> None:
    q = queue("a", "b")
    popped(q, 0)
    q.park("a", FIT, 0)
    q.park("b", frozenset(["Other"]), 0)
    q.wake([Change(POD, None, wanting("new"))])
    assert popped(q, 60) == []
    q.wake([CHANGE])
    assert popped(q, 60) == ["a"]


def test_the_wait_grows_while_other_pods_are_to_be_tried() -> None:
    q = queue("a")
    for wait in (1, 2, 4, 8, 10, 10):
        popped(q, 0)
        q.park("a", FIT, 0)
        q.wake([CHANGE])
        q.put("other", wanting("other"), 0)
        entry = q.pop(wait - 0.1)
        assert entry is not None
        assert entry[0] == "other", wait
        q.drop("other")
        assert popped(q, wait) == ["a"]


def test_a_pod_is_tried_early_if_nothing_else_is_to_be_tried() -> None:
    q = queue("a")
    for _ in range(5):
        popped(q, 0)
        q.park("a", FIT, 0)
    q.wake([CHANGE])
    assert popped(q, 0.2) == []
    assert q.next_at() == 0.25
    assert popped(q, 0.25) == ["a"]
    assert q.next_at() is None


def test_a_pod_is_tried_again_after_five_minutes_without_any_change() -> None:
    q = queue("a")
    popped(q, 0)
    q.park("a", FIT, 0)
    q.flush(299)
    assert popped(q, 299) == []
    q.flush(300)
    assert popped(q, 300) == ["a"]


def test_a_dropped_pod_and_one_of_the_same_name_are_told_apart() -> None:
    q = queue("a")
    popped(q, 0)
    q.park("a", FIT, 0)
    q.wake([CHANGE])
    q.drop("a")
    assert popped(q, 60) == []
    q.put("a", wanting("a"), 0)
    other = wanting("a")
    other.metadata.uid = "other"
    q.put("a", other, 0)
    (entry,) = [q.pop(60)]
    assert entry == ("a", other)
    assert popped(q, 60) == []


def test_pods_of_one_controller_have_one_signature_and_others_have_their_own() -> None:
    def signature(pod: Pod) -> bytes:
        return signature_of(pod)

    assert signature(wanting("a")) == signature(wanting("b"))
    for other in (
        asking("b", priority=3),
        asking("b", cpu="1"),
        wanting("b", nodeSelector={"a": "b"}),
        wanting("b", labels={"app": "other"}),
    ):
        assert signature(other) != signature(wanting("a"))


def test_the_queue_says_when_a_pod_came_and_how_often_it_was_tried() -> None:
    q = queue()
    q.put("a", wanting("a"), 7)
    assert q.record_of("a") == (0, 7)
    popped(q, 8)
    q.park("a", FIT, 8)
    q.put("a", wanting("a"), 9)
    assert (q.record_of("a"), q.record_of("b")) == ((1, 7), None)
    assert q.counts() == {"parked": 1}
