"""The forms in which a node shows what its containers have used."""

from __future__ import annotations

from fairlead.base.instant import Instant
from fairlead.node.usage.model import ContainerUsage, NodeUsage, PodUsage, Usage, cadvisor, metrics, summary

PODS = (
    PodUsage(
        "default",
        "web",
        "uid-1",
        (
            ContainerUsage("a", Instant(1_700_000_000), Usage(1.5, 4096)),
            ContainerUsage("b", Instant(1_700_000_010), Usage(0.25, 1024)),
        ),
    ),
)
FOUND = NodeUsage("node1", Instant(1_700_000_060.5), Instant(1_700_000_000), Usage(10, 1 << 20), PODS)


def test_the_summary_has_the_node_its_pods_and_their_containers() -> None:
    tree = summary(FOUND)
    assert tree["node"]["nodeName"] == "node1"
    assert tree["node"]["cpu"]["usageCoreNanoSeconds"] == 11_750_000_000
    (pod,) = tree["pods"]
    assert pod["podRef"] == {"name": "web", "namespace": "default", "uid": "uid-1"}
    assert pod["startTime"] == "2023-11-14T22:13:20Z"
    assert pod["memory"]["workingSetBytes"] == 5120
    assert [(one["name"], one["cpu"]["usageCoreNanoSeconds"]) for one in pod["containers"]] == [
        ("a", 1_500_000_000),
        ("b", 250_000_000),
    ]


def test_the_metrics_have_upstreams_names_labels_and_times() -> None:
    lines = metrics(FOUND).splitlines()
    assert "# TYPE container_cpu_usage_seconds_total counter" in lines
    assert 'container_cpu_usage_seconds_total{container="a",namespace="default",pod="web"} 1.5 1700000060500' in lines
    assert 'container_start_time_seconds{container="b",namespace="default",pod="web"} 1700000010 1700000060500' in lines
    assert 'pod_memory_working_set_bytes{namespace="default",pod="web"} 5120 1700000060500' in lines
    assert "node_cpu_usage_seconds_total 11.75 1700000060500" in lines
    assert lines[-1] == "resource_scrape_error 0"


def test_cadvisors_metrics_name_containers_pods_and_the_machine() -> None:
    lines = cadvisor(FOUND, cores=4, memory_bytes=1 << 30).splitlines()
    pod = 'id="/kubepods/poduid-1",namespace="default",pod="web"'
    container = 'id="/kubepods/poduid-1/a",namespace="default",pod="web"'
    cpu = "container_cpu_usage_seconds_total"
    assert f'{cpu}{{container="a",cpu="total",{container}}} 1.5 1700000060500' in lines
    assert f'{cpu}{{container="",cpu="total",{pod}}} 1.75 1700000060500' in lines
    assert f'container_memory_working_set_bytes{{container="",{pod}}} 5120 1700000060500' in lines
    assert "machine_cpu_cores 4 1700000060500" in lines
    assert f"machine_memory_bytes {1 << 30} 1700000060500" in lines


def test_a_node_without_pods_shows_its_own_figures() -> None:
    idle = NodeUsage("node1", Instant(1_700_000_000), Instant(1_700_000_000), Usage(1, 2), ())
    assert summary(idle)["pods"] == []
    assert "container_" not in metrics(idle)
