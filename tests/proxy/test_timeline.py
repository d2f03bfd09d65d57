"""The timeline of a Service: its entries, and the time from a change of the slices to rules and DNS."""

from __future__ import annotations

from typing import Any

from fairlead.proxy.inspection.timeline import Event, Timeline, sparkline

A, B = "10.244.1.2:8080", "10.244.2.2:8080"


def piece(*ips: str, name: str = "web-1", ready: bool = True) -> dict[str, Any]:
    ends = [
        {
            "addresses": [ip],
            "conditions": {"ready": ready},
            "targetRef": {"kind": "Pod", "name": f"pod-{ip.rpartition('.')[0][-1]}"},
        }
        for ip in ips
    ]
    return {"metadata": {"name": name}, "endpoints": ends, "ports": [{"port": 8080}]}


def slices(at: float, *ips: str, type_: str = "MODIFIED", **changes: Any) -> Event:
    return Event("slices", at, {"type": type_, "object": piece(*ips, **changes)})


def rules(at: float, *targets: str, node: str = "node1") -> Event:
    return Event("rules", at, {"node": node, "targets": [*targets]})


def texts(timeline: Timeline, *events: Event) -> list[str]:
    return [line.text for event in events for line in timeline.feed(event)]


def test_rules_are_timed_from_the_slice_that_demanded_them() -> None:
    timeline = Timeline("default/web", ["node1", "node2"])
    assert texts(timeline, rules(0, A), slices(0.1, "10.244.1.2")) == [
        "rules on node1: 1 endpoint",
        "endpoints: + pod-1; 1 ready (slice web-1)",
    ]
    assert texts(timeline, slices(1.0, "10.244.1.2", "10.244.2.2"), rules(1.004, A, B)) == [
        "endpoints: + pod-2; 2 ready (slice web-1)",
        "rules on node1: + pod-2; 2 endpoints, 4 ms after the slice",
    ]
    assert timeline.latencies_ms == {"node1": 4.0}


def test_a_second_change_does_not_hide_how_long_the_first_one_took() -> None:
    timeline = Timeline("default/web", ["node1"])
    texts(timeline, rules(0, A, B), slices(0.1, "10.244.1.2", "10.244.2.2"))
    assert texts(timeline, slices(1.0, "10.244.1.2"), slices(1.01), rules(1.02, A), rules(1.03)) == [
        "endpoints: - pod-2; 1 ready (slice web-1)",
        "endpoints: - pod-1; 0 ready (slice web-1)",
        "rules on node1: - pod-2; 1 endpoint, 20 ms after the slice",
        "rules on node1: - pod-1; 0 endpoints, 20 ms after the slice",
    ]


def test_a_node_that_is_faster_than_this_program_gets_no_time() -> None:
    timeline = Timeline("default/web", ["node1"])
    texts(timeline, rules(0, A), slices(0, "10.244.1.2"))
    assert texts(timeline, rules(1.0, A, B), slices(1.001, "10.244.1.2", "10.244.2.2")) == [
        f"rules on node1: + {B}; 2 endpoints",
        "endpoints: + pod-2; 2 ready (slice web-1)",
    ]
    assert timeline.latencies_ms == {"node1": 0.0}


def test_endpoints_that_are_not_ready_and_deleted_slices_do_not_count() -> None:
    timeline = Timeline("default/web", ["node1"])
    assert texts(timeline, slices(0, "10.244.1.2", ready=False)) == []
    texts(timeline, slices(1, "10.244.1.2"), slices(1, "10.244.2.2", name="web-2"))
    assert texts(timeline, slices(2, "10.244.2.2", name="web-2", type_="DELETED")) == [
        "endpoints: - pod-2; 1 ready (slice web-2)"
    ]


def test_dns_is_timed_if_its_answers_are_endpoints() -> None:
    timeline = Timeline("default/web", ["node1"])
    texts(timeline, slices(0, "10.244.1.2"))
    assert texts(timeline, Event("dns", 0.1, {"answers": ["10.244.1.2"]})) == ["DNS answers 10.244.1.2"]
    texts(timeline, slices(1, "10.244.1.2", "10.244.2.2"))
    assert texts(timeline, Event("dns", 1.02, {"answers": ["10.244.1.2", "10.244.2.2"]})) == [
        "DNS answers 10.244.1.2, 10.244.2.2, 20 ms after the slice"
    ]
    assert texts(timeline, Event("dns", 3, {"answers": []})) == ["DNS answers no address"]


def pod(name: str, *, ready: bool = False, leaving: bool = False) -> dict[str, Any]:
    meta = {"name": name, "labels": {"pod-template-hash": "5cd"}} | ({"deletionTimestamp": "x"} if leaving else {})
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    status = {"phase": "Running", "conditions": conditions, "podIPs": [{"ip": "10.244.1.2"}]}
    return {"metadata": meta, "spec": {"nodeName": "node1"}, "status": status}


def test_a_rollout_is_told_pod_by_pod() -> None:
    timeline = Timeline("default/web", ["node1"])
    changes = [
        ("ADDED", pod("web-1")),
        ("MODIFIED", pod("web-1")),
        ("MODIFIED", pod("web-1", ready=True)),
        ("MODIFIED", pod("web-1", leaving=True)),
        ("DELETED", pod("web-1", leaving=True)),
    ]
    assert texts(timeline, *(Event("pods", 0, {"type": kind, "object": one}) for kind, one in changes)) == [
        "Pod web-1 is not ready, revision 5cd on node1",
        "Pod web-1 is ready",
        "Pod web-1 is terminating",
        "Pod web-1 is gone",
    ]


def test_connections_are_counted_by_pod_and_second() -> None:
    timeline = Timeline("default/web", ["node1"])
    texts(timeline, slices(0, "10.244.1.2", "10.244.2.2"))
    for target in (A, A, B):
        assert texts(timeline, Event("connections", 0.5, {"endpoint": target})) == []
    assert [line.text for line in timeline.second(1.0)] == ["new connections: pod-1 2, pod-2 1"]
    assert timeline.second(2.0) == []
    assert list(timeline.history[A]) == [2, 0, 0]
    assert timeline.counts == {A: 2, B: 1}


def test_a_sparkline_is_as_high_as_its_highest_count() -> None:
    assert sparkline([0, 1, 4, 8]) == "▁▂▅█"
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([]) == ""
