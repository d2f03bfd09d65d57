"""Containers added to a running pod to debug it: on a real node."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from fairlead.api.core.pod.containers.containerstatus import ContainerStatus
from fairlead.api.core.pod.kind import POD, Pod
from tests.net.sandbox import as_any_user
from tests.node.nodebench import NodeBench, on_node, ready, shell
from tests.node.streaming.client import spdy

HOST, PORT = "172.30.0.11", 10250
pytestmark = [pytest.mark.kernel, pytest.mark.slow]


async def debug(node: NodeBench, *containers: dict[str, object]) -> None:
    """Adds these to the pod `p`; those it has are named again."""
    await node.client.patch(POD, "p", "default", patch={"spec": {"ephemeralContainers": list(containers)}})


def debugger(name: str, script: str, **extra: object) -> dict[str, object]:
    return shell(script, name=name, **extra)


def shown(pod: Pod, name: str) -> ContainerStatus | None:
    return next((c for c in pod.status.ephemeralContainerStatuses if c.name == name), None)


def ended(pod: Pod, name: str) -> bool:
    status = shown(pod, name)
    return status is not None and status.state.terminated is not None


def runs(pod: Pod, name: str) -> bool:
    status = shown(pod, name)
    return status is not None and status.state.running is not None


@as_any_user
def test_a_debugger_sees_its_targets_processes_and_one_without_a_target_does_not(ordinary: bool) -> None:
    see = "tr '\\0' ' ' </proc/1/cmdline; echo; ls /proc/1/root/tmp >/dev/null && echo files; hostname"

    async def work(node: NodeBench) -> tuple[list[str], list[str], list[str], int, Pod]:
        async with node.agent():
            made = await node.create("p", shell("", command=["sleep", "4242"]))
            await node.until("p", ready)
            near = debugger("near", see + "; exit 3", targetContainerName="main")
            far = debugger("far", see)
            await debug(node, near)
            await node.until("p", lambda pod: ended(pod, "near"))
            await debug(node, near, far)
            pod = await node.until("p", lambda pod: ended(pod, "far"))
            status = shown(pod, "near")
            assert status is not None
            assert status.state.terminated is not None
            events = await node.recorded("Started container near")
            return node.log(made, "near"), node.log(made, "far"), events, status.state.terminated.exitCode, pod

    near, far, events, code, pod = on_node(work, ordinary=ordinary)
    assert near[0] == "sleep 4242 "
    assert "files" in near
    assert near[-1] == "p"
    assert far[0].startswith("sh -c")
    assert code == 3
    assert "Normal Started Started container near" in events
    assert ready(pod), "an exited debugger is no fault of the pod"
    assert pod.status.containerStatuses[0].restartCount == 0


def test_a_debugger_is_entered_and_outlives_the_agent_but_not_its_target() -> None:
    async def work(node: NodeBench) -> tuple[bytes, int, int]:
        async with node.agent():
            await node.create("p", shell("trap 'exit 0' TERM; while :; do sleep 0.05; done"))
            await node.until("p", ready)
            await debug(node, debugger("dbg", "sleep 600", targetContainerName="main"))
            await node.until("p", lambda pod: runs(pod, "dbg"))
        async with node.agent():
            await _answers()
            path = "/exec/default/p/dbg?command=sh&command=-c&command=echo+in+$(hostname)%3B+kill+1&stdout=1"
            async with spdy(HOST, PORT, path, ["v4.channel.k8s.io"]) as client:
                for name in ("error", "stdout"):
                    await client.open(name)
                await client.to_the_end()
            pod = await node.until(
                "p", lambda pod: ended(pod, "dbg") and pod.status.containerStatuses[0].restartCount > 0
            )
            status = shown(pod, "dbg")
            assert status is not None
            assert status.state.terminated is not None
            return client.heard("stdout"), status.state.terminated.exitCode, status.restartCount

    assert on_node(work) == (b"in p\n", 137, 0)


async def _answers() -> None:
    """Waits until a new agent serves the pod."""
    async with aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"http://{HOST}:{PORT}/containerLogs/default/p/main") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.01)


LOOK = "while pgrep -x sleep -a | grep -v '^1 ' | grep -qv defunct; do :; done; pgrep -x sleep -a"
"""A killed process loses its command line a moment before it is defunct."""


def test_what_a_debugger_leaves_running_ends_with_it() -> None:
    async def work(node: NodeBench) -> tuple[list[str], list[str]]:
        async with node.agent():
            made = await node.create("p", shell("", command=["sleep", "600"]))
            await node.until("p", ready)
            script = "setsid sleep 4343 & until pgrep -x sleep -a | grep 4343; do :; done"
            left = debugger("left", script, targetContainerName="main")
            await debug(node, left)
            await node.until("p", lambda pod: ended(pod, "left"))
            await debug(node, left, debugger("look", LOOK, targetContainerName="main"))
            await node.until("p", lambda pod: ended(pod, "look"))
            return node.log(made, "left"), node.log(made, "look")

    left, look = on_node(work)
    assert left[0].endswith("sleep 4343")
    assert look[0] == "1 sleep 600"
    assert all(line.endswith("<defunct>") for line in look[1:]), "the target does not wait for orphans"


def test_a_debugger_on_a_terminal_is_attached_to() -> None:
    async def work(node: NodeBench) -> bytes:
        async with node.agent():
            await node.create("p", shell("sleep 600"))
            await node.until("p", ready)
            extra = {"stdin": True, "stdinOnce": True, "tty": True, "targetContainerName": "main"}
            await debug(node, debugger("dbg", "read x; test -t 0 && echo got $x", **extra))
            await node.until("p", lambda pod: runs(pod, "dbg"))
            path = "/attach/default/p/dbg?stdin=1&stdout=1&tty=1"
            async with spdy(HOST, PORT, path, ["v4.channel.k8s.io"]) as client:
                for name in ("error", "stdin", "stdout", "resize"):
                    await client.open(name)
                await client.say("stdin", b"this\n")
                await client.to_the_end()
                return client.heard("stdout")

    assert b"got this\r\n" in on_node(work)


def test_a_target_that_does_not_run_is_waited_for_and_named() -> None:
    async def work(node: NodeBench) -> tuple[str, str]:
        async with node.agent():
            await node.create("p", shell("exit 1"), shell("sleep 600", name="other"), restartPolicy="Never")
            await node.until("p", lambda pod: any(c.state.terminated for c in pod.status.containerStatuses))
            await debug(node, debugger("dbg", "true", targetContainerName="main"))
            pod = await node.until("p", lambda pod: shown(pod, "dbg") is not None and bool(_waiting(pod)[1]))
            return _waiting(pod)

    assert on_node(work) == ("CreateContainerConfigError", "target container main is not running")


def _waiting(pod: Pod) -> tuple[str, str]:
    status = shown(pod, "dbg")
    waiting = status.state.waiting if status is not None else None
    return (waiting.reason, waiting.message) if waiting is not None else ("", "")
