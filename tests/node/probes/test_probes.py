"""Probes on a node, with real namespaces and an API server in memory."""

from __future__ import annotations

import asyncio
import time

import pytest

from fairlead.api.core.pod.containers.containerstatus import ContainerStatus
from fairlead.api.core.pod.kind import POD, Pod
from tests.node.health import health_server
from tests.node.nodebench import NodeBench, on_node, ready, shell
from tests.node.sandbox import write

pytestmark = pytest.mark.kernel

WEB = {"name": "web", "image": "fairlead/web"}
PORT = [{"name": "PORT", "value": "8081"}]


@pytest.mark.slow
def test_probes_decide_readiness_and_restarts() -> None:
    async def work(node: NodeBench) -> list[str]:
        readiness = {"exec": {"command": ["test", "-e", "/test/ready"]}, "periodSeconds": 1}
        liveness = {"exec": {"command": ["test", "!", "-e", "/test/dead"]}, "periodSeconds": 1, "failureThreshold": 1}
        volumes = [{"name": "t", "hostPath": {"path": "/srv/test", "type": "DirectoryOrCreate"}}]
        mounts = [{"name": "t", "mountPath": "/test"}]
        async with node.agent():
            main = shell("sleep 600", readinessProbe=readiness, livenessProbe=liveness, volumeMounts=mounts)
            await node.create("p", main, terminationGracePeriodSeconds=1, volumes=volumes)
            first = await node.until("p", lambda p: p.status.phase == "Running")
            assert not ready(first)
            write("/srv/test/ready", "")
            await node.until("p", ready)
            write("/srv/test/dead", "")
            await node.until("p", lambda p: p.status.containerStatuses[0].restartCount > 0)
            return await node.recorded("failed liveness probe", "Liveness probe failed: ")

    events = on_node(work)
    assert "Normal Killing Container main failed liveness probe, will be restarted" in events
    assert any(e.startswith("Warning Unhealthy Liveness probe failed: ") for e in events)


def container(pod: Pod, name: str) -> ContainerStatus:
    return next(c for c in pod.status.containerStatuses if c.name == name)


def is_refusal(event: str) -> bool:
    return event.startswith("Warning Unhealthy Readiness probe failed: ") and event.endswith("connection refused")


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
            async with asyncio.timeout(30):
                while not any(is_refusal(e) for e in await node.events()):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            return pod, await node.recorded("failed startup probe", "Startup probe failed: ")

    pod, events = on_node(work)
    found = {c.name: c.ready for c in pod.status.containerStatuses}
    assert found == {"web": True, "tcp": True, "late": True, "refused": False, "never": False}
    assert container(pod, "late").restartCount == 0
    assert "Normal Killing Container never failed startup probe, will be restarted" in events
    assert any(e.startswith("Warning Unhealthy Startup probe failed: ") for e in events)


@pytest.mark.slow
def test_the_times_of_a_probe_are_kept() -> None:
    """Checks the time of the start, the timeout of an answer, and the grace period of the container afterwards."""

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
            return waited_s, await node.recorded("command timed out: ", "Container stubborn failed liveness probe")

    waited_s, events = on_node(work)
    assert waited_s > 1.5
    assert any(e.startswith("Warning Unhealthy Readiness probe failed: command timed out: ") for e in events)
    assert "Normal Killing Container stubborn failed liveness probe, will be restarted" in events


@pytest.mark.slow
def test_grpc_probes_decide_readiness_and_nothing_is_said_to_be_ignored() -> None:
    """The server runs on the node, whose network the Pod shares."""

    async def work(node: NodeBench) -> tuple[Pod, list[str]]:
        with health_server() as port:
            async with node.agent():
                asked = {"periodSeconds": 1, "grpc": {"port": port, "service": "up"}}
                down = {"periodSeconds": 1, "grpc": {"port": port, "service": "down"}}
                await node.create(
                    "p",
                    shell("sleep 60", name="up", readinessProbe=asked, startupProbe=asked, livenessProbe=asked),
                    shell("sleep 60", name="down", readinessProbe=down),
                    hostNetwork=True,
                    terminationGracePeriodSeconds=1,
                )
                await node.until("p", lambda p: any(c.ready for c in p.status.containerStatuses))
                await node.event("Unhealthy")
                return await node.client.get(POD, "p", "default"), await node.events()

    pod, events = on_node(work)
    assert container(pod, "up").ready
    assert not container(pod, "down").ready
    text = 'Warning Unhealthy Readiness probe failed: service unhealthy (responded with "NOT_SERVING")'
    assert text in events
    assert not [e for e in events if "gRPC" in e or "grpc" in e]


@pytest.mark.slow
def test_a_probe_that_is_sent_to_another_host_succeeds_with_an_event() -> None:
    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\n\r\nmoved")
        writer.close()

    async def work(node: NodeBench) -> list[str]:
        async with await asyncio.start_server(redirect, "0.0.0.0", 0) as server, node.agent():
            port = server.sockets[0].getsockname()[1]
            main = shell("sleep 60", readinessProbe={"httpGet": {"port": port, "path": "go"}, "periodSeconds": 1})
            await node.create("p", main, hostNetwork=True, terminationGracePeriodSeconds=1)
            await node.until("p", ready)
            return await node.recorded("ProbeWarning")

    text = "Warning ProbeWarning Readiness probe warning: Probe terminated redirects, Response body: moved"
    assert text in on_node(work)


@pytest.mark.slow
def test_a_hook_is_waited_for_as_long_as_its_container_runs_and_no_longer() -> None:
    """`long` sleeps past any limit; `short` ends under its hook, and its restart is not held up."""

    async def work(node: NodeBench) -> list[str]:
        hook = {"postStart": {"sleep": {"seconds": 600}}}
        async with node.agent():
            await node.create(
                "p",
                shell("sleep 60", name="long", lifecycle=hook),
                shell("sleep 0.2; exit 3", name="short", lifecycle=hook),
                terminationGracePeriodSeconds=1,
            )
            pod = await node.until("p", lambda p: any(c.restartCount for c in p.status.containerStatuses))
            assert container(pod, "short").restartCount > 0
            assert not container(pod, "long").ready
            return await node.events()

    assert not [e for e in on_node(work) if "PostStartHook" in e]
