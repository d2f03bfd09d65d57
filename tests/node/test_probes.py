"""Probes on a node, with real namespaces and an API server in memory."""

from __future__ import annotations

import time

import pytest

from fairlead.api.containerstatus import ContainerStatus
from fairlead.api.pod import Pod
from tests.node.nodebench import NodeBench, on_node, ready, shell

pytestmark = pytest.mark.kernel

WEB = {"name": "web", "image": "fairlead/web"}
PORT = [{"name": "PORT", "value": "8081"}]


@pytest.mark.slow
def test_probes_decide_readiness_and_restarts() -> None:
    async def work(node: NodeBench) -> list[str]:
        readiness = {"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1}
        liveness = {"exec": {"command": ["test", "!", "-e", "/tmp/dead"]}, "periodSeconds": 1, "failureThreshold": 1}
        script = "sleep 0.3; touch /tmp/ready; sleep 1; touch /tmp/dead; sleep 60"
        async with node.agent():
            main = shell(script, readinessProbe=readiness, livenessProbe=liveness)
            await node.create("p", main, terminationGracePeriodSeconds=1)
            first = await node.until("p", lambda p: p.status.phase == "Running")
            assert not ready(first)
            await node.until("p", ready)
            await node.until("p", lambda p: p.status.containerStatuses[0].restartCount == 1)
            return await node.events()

    events = on_node(work)
    assert "Normal Killing Container main failed liveness probe, will be restarted" in events
    assert any(e.startswith("Warning Unhealthy Liveness probe failed: ") for e in events)


def container(pod: Pod, name: str) -> ContainerStatus:
    return next(c for c in pod.status.containerStatuses if c.name == name)


@pytest.mark.slow
def test_every_sort_of_probe_is_asked_and_the_others_wait_for_the_startup_probe() -> None:
    """`late` would be killed by its liveness probe at once, `never` is by its startup probe."""

    async def work(node: NodeBench) -> tuple[Pod, list[str]]:
        up = {"exec": {"command": ["test", "-e", "/tmp/up"]}, "periodSeconds": 1}
        refused = {"httpGet": {"path": "/", "port": 1}, "periodSeconds": 1, "failureThreshold": 1}
        never = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}
        late = shell("sleep 1.3; touch /tmp/up; sleep 60", startupProbe=up, livenessProbe=up | {"failureThreshold": 1})
        async with node.agent():
            await node.create(
                "p",
                WEB | {"readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}}},
                WEB | {"name": "tcp", "env": PORT, "readinessProbe": {"tcpSocket": {"port": 8081}}},
                late | {"name": "late"},
                shell("sleep 60", name="refused", readinessProbe=refused),
                shell("sleep 60", name="never", startupProbe=never),
                terminationGracePeriodSeconds=1,
            )
            await node.until("p", lambda p: p.status.phase == "Running" and not container(p, "late").started)
            await node.until("p", lambda p: container(p, "never").restartCount > 0)
            pod = await node.until("p", lambda p: container(p, "late").started is True)
            return pod, await node.events()

    pod, events = on_node(work)
    found = {c.name: c.ready for c in pod.status.containerStatuses}
    assert found == {"web": True, "tcp": True, "late": True, "refused": False, "never": False}
    assert container(pod, "late").restartCount == 0
    assert "Normal Killing Container never failed startup probe, will be restarted" in events
    assert any(e.startswith("Warning Unhealthy Startup probe failed: ") for e in events)
    assert any(e.startswith("Warning Unhealthy Readiness probe failed: ") and "refused" in e for e in events)


@pytest.mark.slow
def test_the_times_of_a_probe_are_kept() -> None:
    """When it begins, how long an answer may take, and how long the container then has to end."""

    async def work(node: NodeBench) -> tuple[float, list[str]]:
        each = {"periodSeconds": 1, "failureThreshold": 1}
        delayed = {"exec": {"command": ["true"]}, "initialDelaySeconds": 2}
        hanging = {"exec": {"command": ["sleep", "30"]}, "timeoutSeconds": 1} | each
        failing = {"exec": {"command": ["false"]}, "terminationGracePeriodSeconds": 1} | each
        async with node.agent():
            await node.create(
                "p",
                shell("sleep 60", name="delayed", readinessProbe=delayed),
                shell("sleep 60", name="hanging", readinessProbe=hanging),
                shell("trap '' TERM; while :; do sleep 0.2; done", name="stubborn", livenessProbe=failing),
                terminationGracePeriodSeconds=600,
            )
            await node.until("p", lambda p: p.status.phase == "Running")
            at = time.monotonic()
            await node.until("p", lambda p: container(p, "delayed").ready)
            waited_s = time.monotonic() - at
            pod = await node.until("p", lambda p: container(p, "stubborn").restartCount > 0)
            assert not container(pod, "hanging").ready
            return waited_s, await node.events()

    waited_s, events = on_node(work)
    assert waited_s > 1.5
    assert any(e.startswith("Warning Unhealthy Readiness probe failed: command timed out: ") for e in events)
    assert "Normal Killing Container stubborn failed liveness probe, will be restarted" in events
