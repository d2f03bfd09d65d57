"""Summaries of objects: the fields that the page shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from fairlead.webui.summaries import TOPICS, Item, endpoint_slice, event, pod, service

EXAMPLES = Path(__file__).parents[1] / "apiserver" / "examples"
META = {"name": "web", "namespace": "shop", "uid": "1", "creationTimestamp": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize("plural", sorted(TOPICS))
def test_every_topic_summarises_its_example(plural: str) -> None:
    topic = TOPICS[plural]
    found = sorted(EXAMPLES.glob(f"{plural}*_v1.yaml"))
    tree = yaml.load(found[0].read_text(), Loader=yaml.BaseLoader) if found else {"metadata": META, "spec": {}}
    summary = topic.summary(tree)
    assert summary["k"].endswith(tree["metadata"]["name"])
    encoded = msgspec.json.encode(tree)
    assert topic.summary(msgspec.json.decode(encoded)) == summary
    assert topic.summary(msgspec.json.decode(encoded, type=Item)) == summary


@pytest.mark.parametrize("plural", sorted(TOPICS))
def test_a_path_has_the_namespace_of_a_namespaced_resource(plural: str) -> None:
    topic = TOPICS[plural]
    assert topic.path(plural, "") == f"{topic.prefix}/{plural}"
    expected = f"{topic.prefix}/namespaces/shop/{plural}" if topic.namespaced else f"{topic.prefix}/{plural}"
    assert topic.path(plural, "shop") == expected


def test_a_service_shows_its_urls_on_the_host() -> None:
    meta = META | {
        "annotations": {"fairlead.dev/host-urls": "80/TCP=http://127.0.0.1:30080,53/UDP=udp://127.0.0.1:30053"}
    }
    tree = {"metadata": meta, "spec": {"type": "NodePort", "clusterIPs": ["10.96.0.9"], "externalIPs": ["192.0.2.1"]}}
    found = service(tree | {"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.2"}]}}})
    assert found["urls"] == {"80/TCP": "http://127.0.0.1:30080", "53/UDP": "udp://127.0.0.1:30053"}
    assert found["external"] == ["192.0.2.2", "192.0.2.1"]


def test_endpoints_show_their_state_in_words() -> None:
    def state(**conditions: bool) -> str:
        tree = {"metadata": META, "endpoints": [{"addresses": ["10.0.0.1"], "conditions": conditions}]}
        return str(endpoint_slice(tree)["endpoints"][0]["state"])

    assert state() == "ready"
    assert state(ready=False) == "not ready"
    assert state(ready=False, serving=True, terminating=True) == "serving while terminating"
    assert state(ready=False, serving=False, terminating=True) == "terminating"


def test_a_pod_shows_the_reason_of_its_container() -> None:
    waiting = {"name": "web", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restartCount": 4, "ready": False}
    tree: dict[str, Any] = {
        "metadata": META | {"ownerReferences": [{"kind": "ReplicaSet", "name": "web-1", "controller": True}]},
        "spec": {"containers": [{"name": "web", "image": "nginx"}], "nodeName": "node1"},
        "status": {"phase": "Running", "containerStatuses": [waiting]},
    }
    found = pod(tree)
    assert (found["reason"], found["restarts"], found["ready"]) == ("CrashLoopBackOff", 4, False)
    assert found["owner"] == "ReplicaSet/web-1"


def test_a_completed_container_is_no_problem() -> None:
    done = {"name": "job", "state": {"terminated": {"reason": "Completed", "exitCode": 0}}}
    tree = {"metadata": META, "spec": {"containers": [{"name": "job"}]}, "status": {"containerStatuses": [done]}}
    assert pod(tree)["reason"] == ""


def test_an_event_of_the_newer_form_shows_its_time_and_source() -> None:
    tree = {
        "metadata": META,
        "involvedObject": {"kind": "Pod", "name": "web", "namespace": "shop"},
        "eventTime": "2026-01-01T00:00:01Z",
        "reportingComponent": "scheduler",
        "series": {"count": 7, "lastObservedTime": "2026-01-01T00:00:09Z"},
    }
    found = event(tree)
    assert (found["last"], found["count"], found["from"]) == ("2026-01-01T00:00:09Z", 7, "scheduler")
