"""metrics.k8s.io: usage is the difference of two measurements of each node."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fairlead.apiserver.connect.usage import PATH, Measurement, NodeUsages, compare, parse, usage_sources
from fairlead.base.instant import Instant
from fairlead.machinery.values.status import StatusError
from fairlead.node.usage.model import ContainerUsage, NodeUsage, PodUsage, Usage, metrics
from fairlead.runtime.fake import run_jumping

from .harness import PODS, Api, pod, start, story

NODES = "/apis/metrics.k8s.io/v1beta1/nodes"
POD_METRICS = "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods"
BEGIN = 1_700_000_000.0


def node_usage(at_s: float, *, busy_cores: float = 0.25, started_s: float = -100.0) -> NodeUsage:
    """Returns the usage of a node with a busy and an idle container."""
    started = Instant(BEGIN + started_s)
    busy = ContainerUsage("busy", started, Usage((at_s - started_s) * busy_cores, 3 << 20))
    idle = ContainerUsage("idle", started, Usage(1.0, 1 << 20))
    pods = (PodUsage("default", "web", "1", (busy, idle)),)
    return NodeUsage("node1", Instant(BEGIN + at_s), Instant(BEGIN), Usage(5.0, 10 << 20), pods)


class FakeNodes:
    """Nodes whose figures follow the loop's clock. Implements `NodeReader`."""

    def __init__(self, *silent: str) -> None:
        self.asked = 0
        self._silent = silent

    async def read(self, node: str, path: str) -> bytes:
        assert path == PATH
        self.asked += 1
        if node in self._silent:
            raise StatusError(503, "ServiceUnavailable", "no answer")
        return metrics(node_usage(asyncio.get_running_loop().time())).encode()


def test_what_a_node_renders_is_read_back() -> None:
    found = parse(metrics(node_usage(7)))
    assert found.time == BEGIN + 7
    node, busy = found.counters["", "", ""], found.counters["default", "web", "busy"]
    assert (node.memory_bytes, busy.memory_bytes, busy.started_at) == (14 << 20, 3 << 20, BEGIN - 100)
    assert busy.cpu_s == pytest.approx(107 * 0.25)


def test_usage_is_an_average_over_the_time_between_two_measurements() -> None:
    found = compare(parse(metrics(node_usage(0))), parse(metrics(node_usage(20))))
    busy = found["default", "web", "busy"]
    assert busy.cpu == pytest.approx(0.25)
    assert (busy.window_s, busy.time) == (20, BEGIN + 20)
    assert busy.amounts() == {"cpu": "250m", "memory": "3072Ki"}
    assert found["default", "web", "idle"].amounts() == {"cpu": "0", "memory": "1024Ki"}
    assert found["", "", ""].cpu == pytest.approx(0.25)


def test_a_container_that_started_meanwhile_counts_from_its_start() -> None:
    found = compare(parse(metrics(node_usage(0))), parse(metrics(node_usage(20, started_s=15))))
    assert found["default", "web", "busy"].window_s == 5
    assert found["default", "web", "busy"].cpu == pytest.approx(0.25)
    assert compare(Measurement(0, {}), parse(metrics(node_usage(20, started_s=20)))).keys() == {("", "", "")}


def jumping(test: Callable[[Api, FakeNodes, NodeUsages], Awaitable[None]], *silent: str) -> None:
    """Runs a test on a server with two nodes, on a loop whose clock jumps."""

    async def main() -> None:
        api = await start()
        for name in ("node1", "node2"):
            await api.ok("POST", "/api/v1/nodes", {"metadata": {"name": name, "labels": {"zone": name[-1]}}})
        nodes = FakeNodes(*silent)
        await test(api, nodes, NodeUsages(api.server._resources, nodes))
        await api.server.stop()

    run_jumping(main())


def test_the_first_request_waits_a_second_and_a_later_one_compares_with_the_one_before() -> None:
    async def check(api: Api, nodes: FakeNodes, usages: NodeUsages) -> None:
        loop = asyncio.get_running_loop()
        at = loop.time()
        found = await usages.usages()
        assert sorted(found) == ["node1", "node2"]
        assert nodes.asked == 4
        assert loop.time() - at == pytest.approx(1, abs=0.1)
        assert found["node1"]["", "", ""].window_s == pytest.approx(1, abs=0.1)
        await asyncio.sleep(15)
        at = loop.time()
        found = await usages.usages()
        assert nodes.asked == 6
        assert loop.time() - at == pytest.approx(0, abs=0.1)
        assert found["node1"]["", "", ""].window_s == pytest.approx(16, abs=0.1)
        await asyncio.sleep(1000)
        assert (await usages.usages())["node1"]["", "", ""].window_s == pytest.approx(1, abs=0.1)

    jumping(check)


def test_requests_at_the_same_time_share_measurements_and_a_silent_node_is_left_out() -> None:
    async def check(api: Api, nodes: FakeNodes, usages: NodeUsages) -> None:
        first, second = await asyncio.gather(usages.usages(), usages.usages())
        assert first.keys() == second.keys() == {"node1"}

    jumping(check, "node2")


def test_objects_have_the_labels_of_what_they_are_about() -> None:
    async def check(api: Api, nodes: FakeNodes, usages: NodeUsages) -> None:
        spec: dict[str, Any] = {
            "nodeName": "node1",
            "containers": [{"name": n, "image": "a"} for n in ("busy", "idle")],
        }
        made = pod("web", **spec)
        made["metadata"]["labels"] = {"app": "web"}
        await api.ok("POST", PODS, made)
        await api.ok("POST", PODS, pod("elsewhere", nodeName="node2"))
        of_nodes, of_pods = usage_sources(api.server._resources, nodes)
        found = {obj.metadata.name: obj for obj in await of_nodes.objects("", "")}
        assert {name: obj.metadata.labels for name, obj in found.items()} == {
            "node1": {"zone": "1"},
            "node2": {"zone": "2"},
        }
        (web,) = await of_pods.objects("default", "")
        assert (web.metadata.name, web.metadata.labels) == ("web", {"app": "web"})
        assert [one.name for one in web.containers] == ["busy", "idle"]
        assert web.containers[0].usage["cpu"] == "250m"
        assert await of_pods.objects("default", "elsewhere") == []
        assert await of_nodes.objects("", "node3") == []

    jumping(check)


@story
async def test_the_group_is_discovered_and_can_be_listed_but_not_written_or_watched(api: Api) -> None:
    resources = (await api.ok("GET", "/apis/metrics.k8s.io/v1beta1"))["resources"]
    assert [(r["name"], r["kind"], r["verbs"]) for r in resources] == [
        ("nodes", "NodeMetrics", ["get", "list"]),
        ("pods", "PodMetrics", ["get", "list"]),
    ]
    found = await api.ok("GET", NODES)
    assert (found["kind"], found["metadata"], found["items"]) == ("NodeMetricsList", {}, [])
    error = await api.error("GET", f"{POD_METRICS}/web")
    assert (error.code, str(error)) == (404, 'pods.metrics.k8s.io "web" not found')
    assert (await api.error("POST", POD_METRICS, {"metadata": {"name": "a"}})).code == 405
    assert (await api.error("GET", NODES, query={"watch": "true"})).code == 405
    table = await api.ok("GET", NODES, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "cpu", "memory", "window"]


@story
async def test_another_server_may_take_over_the_group(api: Api) -> None:
    path = "/apis/apiregistration.k8s.io/v1/apiservices"
    names = [item["metadata"]["name"] for item in (await api.ok("GET", path))["items"]]
    assert "v1.apps" in names
    assert "v1beta1.metrics.k8s.io" not in names
    spec = {
        "group": "metrics.k8s.io",
        "version": "v1beta1",
        "service": {"name": "metrics-server", "namespace": "kube-system"},
        "insecureSkipTLSVerify": True,
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
    }
    await api.ok("POST", path, {"metadata": {"name": "v1beta1.metrics.k8s.io"}, "spec": spec})
    assert (await api.call("GET", NODES)).status == 503
