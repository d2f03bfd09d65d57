"""Agents that end and begin, and a time without zygote or API: Pods live on, and the next agent knows what happened."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from pathlib import Path

import pytest

from fairlead.api.core.pod.kind import POD, Pod
from fairlead.base.instant import parse_time
from fairlead.node.runtime.agent.zygoteclient import ZygoteEnded, ZygoteVersionError
from fairlead.node.runtime.protocol.messages import VERSION
from tests.net.sandbox import as_any_user
from tests.node.nodebench import NodeBench, on_node, ready, shell
from tests.node.test_agent import WEB

pytestmark = pytest.mark.kernel


@pytest.mark.slow
@as_any_user
def test_a_new_agent_takes_up_running_pods_without_disturbing_them(ordinary: bool) -> None:
    async def work(node: NodeBench) -> tuple[Pod, Pod, list[str]]:
        async with node.agent():
            await node.create("w", WEB | {"readinessProbe": {"httpGet": {"port": 8080}, "periodSeconds": 1}})
            before = await node.until("w", ready)
        answers = [(await node.get(before.status.podIP, 8080))[1]]
        async with node.agent():
            await asyncio.sleep(1.5)
            after = await node.client.get(POD, "w", "default")
            answers.append((await node.get(before.status.podIP, 8080))[1])
            await node.create("second", WEB)
            second = await node.until("second", ready)
            await node.client.delete(POD, "w", "default")
            await node.gone("w")
        return before, after, [*answers, second.status.podIP]

    before, after, (first, again, ip) = on_node(work, ordinary=ordinary)
    assert before.status == after.status
    assert first == again
    assert ip != before.status.podIP


def test_an_agent_ends_at_a_zygote_of_another_version_and_names_the_versions() -> None:
    async def work(node: NodeBench) -> str:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        node.zygote = ours
        newer = json.dumps({"version": VERSION + 1, "message": {}}).encode()
        with ours, theirs:
            asyncio.get_running_loop().add_reader(theirs.fileno(), lambda: theirs.recv(1 << 16) and theirs.send(newer))
            async with node.agent() as agent:
                with pytest.raises(ZygoteVersionError) as caught:
                    await agent
            asyncio.get_running_loop().remove_reader(theirs.fileno())
        return str(caught.value)

    expected = f"this node's zygote speaks version {VERSION + 1}, its agent version {VERSION}: "
    assert on_node(work) == expected + "restart the cluster: fairlead down, fairlead up"


def test_the_end_of_the_zygote_is_the_end_of_the_agent() -> None:
    async def work(node: NodeBench) -> Pod:
        async with node.agent() as agent:
            await node.create("w", WEB)
            await node.until("w", ready)
            os.kill(zygote_pid(), signal.SIGKILL)
            with pytest.raises(ZygoteEnded):
                await agent
        node.renew_zygote()
        async with node.agent():
            return await node.until("w", lambda p: ready(p) and p.status.containerStatuses[0].restartCount == 1)

    pod = on_node(work)
    last = pod.status.containerStatuses[0].lastState.terminated
    assert last is not None
    assert (last.reason, last.exitCode) == ("NodeLost", 137)
    assert pod.status.podIP == "10.244.1.2"


def zygote_pid() -> int:
    """The one child of this process."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return int(file.read().split()[0])


@pytest.mark.slow
def test_pods_live_on_while_the_api_is_away() -> None:
    async def work(node: NodeBench) -> tuple[tuple[int, str], Pod]:
        async with node.agent():
            await node.create("w", WEB)
            await node.create("flaky", shell("sleep 0.3; test -e /tmp/x || exit 1"))
            pod = await node.until("w", ready)
            await node.until("flaky", ready)
            node.client.interrupt(down=True)
            await asyncio.sleep(0.6)
            answer = await node.get(pod.status.podIP, 8080)
            node.client.interrupt(down=False)
            return answer, await node.until("flaky", lambda p: p.status.containerStatuses[0].restartCount >= 1)

    answer, flaky = on_node(work)
    assert answer[1].startswith("Pod w on node1 at ")
    assert flaky.status.phase == "Running"


def test_an_end_that_the_api_has_not_heard_of_is_known_to_the_next_agent() -> None:
    async def work(node: NodeBench) -> tuple[Pod, list[str]]:
        async with node.agent():
            await node.create("p", shell("sleep 0.4321"), restartPolicy="Never")
            await node.until("p", lambda p: p.status.phase == "Running")
            node.client.interrupt(down=True)
            while is_running("0.4321"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)  # the agent learns of the end, and must keep what it knows
        node.client.interrupt(down=False)
        async with node.agent():
            pod = await node.until("p", has_no_sandbox)
        return pod, await node.sandboxes()

    pod, sandboxes = on_node(work)
    terminated = pod.status.containerStatuses[0].state.terminated
    assert terminated is not None
    assert (pod.status.phase, terminated.reason, terminated.exitCode) == ("Succeeded", "Completed", 0)
    assert sandboxes == []


def has_no_sandbox(pod: Pod) -> bool:
    return any(c.type == "PodReadyToStartContainers" and c.status == "False" for c in pod.status.conditions)


def is_running(word: str) -> bool:
    """Returns True if a process has the word on its command line."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if word in (folder / "cmdline").read_text():
                return True
    return False


@pytest.mark.slow
def test_what_changed_while_the_api_was_away_has_the_time_when_it_changed() -> None:
    async def work(node: NodeBench) -> tuple[str, float]:
        probe = {"exec": {"command": ["test", "-e", "/dev/shm/ready"]}, "periodSeconds": 1}
        async with node.agent():
            main = shell("sleep 1.5; touch /dev/shm/ready; sleep 60", readinessProbe=probe)
            await node.create("p", main, terminationGracePeriodSeconds=1)
            await node.until("p", lambda p: p.status.phase == "Running")
            node.client.interrupt(down=True)
            await asyncio.sleep(7)  # longer than the longest pause between two attempts
            back = node.clock.now()
            node.client.interrupt(down=False)
            pod = await node.until("p", ready)
            since = next(c.lastTransitionTime for c in pod.status.conditions if c.type == "Ready")
            return since or "", back

    since, back = on_node(work)
    assert parse_time(since) < back - 1


def test_pods_deleted_while_no_agent_ran_are_removed() -> None:
    async def work(node: NodeBench) -> tuple[int, list[str], str]:
        async with node.agent():
            for name in ("gone", "going", "stays"):
                await node.create(name, WEB)
                await node.until(name, ready)
        await node.client.delete(POD, "gone", "default", grace_period_seconds=0)
        await node.client.delete(POD, "going", "default")
        async with node.agent():
            await node.gone("going")
            stays = await node.until("stays", ready)
            while len(os.listdir(node.settings.state_dir + "/pods")) > 1:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            return stays.status.containerStatuses[0].restartCount, await node.sandboxes(), stays.metadata.uid

    restarts, sandboxes, uid = on_node(work)
    assert restarts == 0
    assert sandboxes == [uid]
