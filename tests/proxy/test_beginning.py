"""The first lines of `fairlead watch`: the present state in one order, whatever source was first."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from fairlead.proxy.inspection.beginning import Beginning
from fairlead.proxy.inspection.timeline import LISTED, Event, Timeline
from tests.proxy.test_timeline import A, B, rules, slices

SOURCES = ("slices", "pods", "rules node1", "rules node2", "dns")


def pod(at: float, name: str) -> Event:
    tree: dict[str, Any] = {"metadata": {"name": name}, "spec": {}, "status": {"phase": "Pending"}}
    return Event("pods", at, {"type": "ADDED", "object": tree})


def listed(source: str) -> Event:
    return Event(source, 1.0, {"type": LISTED})


REPORTS = (
    (slices(0.5, "10.244.2.2", name="web-b"), slices(0.5, "10.244.1.2", name="web-a"), listed("slices")),
    (pod(0.1, "web-2"), pod(0.2, "web-1"), listed("pods")),
    (rules(0.3, A, B, node="node2"),),
    (rules(0.9, A, B),),
    (Event("dns", 0.4, {"answers": ["10.96.0.9"]}),),
)


def first_lines(events: list[Event]) -> tuple[Beginning, list[str]]:
    timeline, beginning = Timeline("default/web", ["node1", "node2"]), Beginning(SOURCES)
    for event in events:
        assert not beginning.is_over
        beginning.add(event, timeline.feed(event))
    is_over = beginning.is_over
    lines = beginning.end(2.0)
    assert is_over
    assert {line.at for line in lines} == {2.0}
    return beginning, [line.text for line in lines]


def test_the_present_state_is_shown_by_kind_and_name_whatever_source_reports_first() -> None:
    for order in permutations(REPORTS):
        _, texts = first_lines([event for report in order for event in report])
        assert [text.partition(";")[0].partition(":")[0] for text in texts] == [
            "endpoints",
            "endpoints",
            "rules on node1",
            "rules on node2",
            "DNS answers 10.96.0.9",
            "Pod web-1 is pending",
            "Pod web-2 is pending",
        ]
        assert [text.rpartition("slice ")[2] for text in texts[:2]] == ["web-a)", "web-b)"]


def test_the_lines_are_shown_although_a_source_is_silent() -> None:
    timeline, beginning = Timeline("default/web", ["node1"]), Beginning(SOURCES)
    event = rules(0.3, A)
    beginning.add(event, timeline.feed(event))
    assert not beginning.is_over
    assert [line.text for line in beginning.end(1.0)] == ["rules on node1: 1 endpoint"]
    assert beginning.is_over
    assert beginning.end(2.0) == []
