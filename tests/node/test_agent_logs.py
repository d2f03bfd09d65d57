"""Logs of a node's containers, and streams over the agent's kubelet API."""

from __future__ import annotations

import asyncio
import json
import os
import time

import aiohttp
import pytest

from fairlead.node.volumes.podlogs import PodLogs
from tests.net.sandbox import as_any_user
from tests.node.nodebench import NodeBench, on_node, ready, shell

pytestmark = pytest.mark.kernel


def test_fallback_to_logs_on_error_uses_the_end_of_the_log() -> None:
    async def work(node: NodeBench) -> list[str]:
        found = []
        async with node.agent():
            for name, script in (("bad", "echo one; echo two; exit 3"), ("good", "echo fine")):
                main = shell(script, terminationMessagePolicy="FallbackToLogsOnError")
                await node.create(name, main, restartPolicy="Never")
                pod = await node.until(name, lambda p: p.status.phase in ("Failed", "Succeeded"))
                ended = pod.status.containerStatuses[0].state.terminated
                assert ended is not None
                found.append(ended.message)
        return found

    assert on_node(work) == ["one\ntwo\n", ""]


@pytest.mark.slow
@as_any_user
def test_logs_and_exec_over_the_kubelet_api(ordinary: bool) -> None:
    async def work(node: NodeBench) -> tuple[str, list[tuple[int, bytes]], list[tuple[int, bytes]]]:
        async with node.agent():
            await node.create("p", shell("echo one; echo two >&2; sleep 60"))
            await node.first_lines(await node.until("p", ready), "main", count=2)
            base = "http://172.30.0.11:10250"
            async with aiohttp.ClientSession() as session:
                async with session.get(f"{base}/containerLogs/default/p/main") as response:
                    log = await response.text()
                url = f"{base}/exec/default/p/main?command=sh&command=-c&stdin=true&stdout=true&stderr=true&command="
                sized = "until+stty+size%7Cgrep+132;do+:;done;"
                plain = await converse(session, url + "cat;echo+e+>%262;exit+7", b"typed\n", b"\xff\x00")
                tty = await converse(session, url + sized + "read+x;echo+got+$x&tty=true", b"hi\n")
            return log, plain, tty

    log, plain, tty = on_node(work, ordinary=ordinary)
    assert sorted(log.split()) == ["one", "two"]
    assert (1, b"typed\n") in plain
    assert (2, b"e\n") in plain
    status = json.loads(plain[-1][1])
    assert plain[-1][0] == 3
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "7"}]
    said = b"".join(data for channel, data in tty if channel == 1)
    assert b"43 132" in said
    assert b"got hi" in said
    assert json.loads(tty[-1][1])["status"] == "Success"


async def converse(session: aiohttp.ClientSession, url: str, *inputs: bytes) -> list[tuple[int, bytes]]:
    async with session.ws_connect(url, protocols=("v5.channel.k8s.io",)) as ws:
        await ws.send_bytes(b"\x04" + json.dumps({"Width": 132, "Height": 43}).encode())
        for one in inputs:
            await ws.send_bytes(one if one[:1] == b"\xff" else b"\x00" + one)
        return [(message.data[0], message.data[1:]) async for message in ws]


@pytest.mark.slow
def test_a_flood_of_words_is_bounded_and_starts_go_on() -> None:
    async def work(node: NodeBench) -> tuple[int, float]:
        async with node.agent():
            await node.create("loud", shell("while :; do echo 0123456789012345678901234567890123456789; done"))
            loud = await node.until("loud", ready)
            at = time.monotonic()
            await node.create("quiet", shell("sleep 60"))
            await node.until("quiet", ready)
            took = time.monotonic() - at
            await asyncio.sleep(1)
            folder = PodLogs(node.settings.state_dir, loud.metadata).folder("main")
            return sum(os.stat(f"{folder}/{name}").st_size for name in os.listdir(folder)), took

    size, took = on_node(work)
    assert 0 < size <= 5 * (10 << 20)
    assert took < 30, "as if the flood were served first"


@pytest.mark.slow
def test_a_last_line_without_a_newline_stays_as_it_is_in_logs_and_termination_messages() -> None:
    async def work(node: NodeBench) -> tuple[list[str], str, list[str]]:
        async with node.agent():
            containers = [
                shell("echo one; printf last; exit 1", name="logs", terminationMessagePolicy="FallbackToLogsOnError"),
                shell("printf ' as it is' >/dev/termination-log; exit 1", name="file"),
            ]
            await node.create("p", *containers, restartPolicy="Never")
            pod = await node.until("p", lambda pod: pod.status.phase == "Failed")
            ends = [c.state.terminated for c in pod.status.containerStatuses]
            async with aiohttp.ClientSession() as session:
                base = "http://172.30.0.11:10250/containerLogs/default/p/logs"
                async with session.get(base) as response:
                    log = await response.text()
                async with session.get("http://172.30.0.11:10250/logs/pods/") as response:
                    assert f'<a href="default_p_{pod.metadata.uid}/">' in await response.text()
                where = f"http://172.30.0.11:10250/logs/pods/default_p_{pod.metadata.uid}/logs/0.log"
                async with session.get(where) as response:
                    flags = [line.split(" ")[2] for line in (await response.text()).splitlines()]
            return [end.message if end else "" for end in ends], log, flags

    assert on_node(work) == (["one\nlast", " as it is"], "one\nlast", ["F", "P"])
