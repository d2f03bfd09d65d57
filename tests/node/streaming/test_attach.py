"""Taking part in a running container: at the zygote, and over the kubelet API."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest

from fairlead.node.runtime.agent.fdio import read_some
from fairlead.node.runtime.agent.zygoteclient import Attachment, ZygoteError
from fairlead.node.runtime.child.launch import resize
from fairlead.node.runtime.zygote.attached import DROPPED, HEAD, LIMIT, AttachedClient
from fairlead.node.streaming.attachsession import frames
from tests.net.sandbox import as_any_user
from tests.node.nodebench import NodeBench, on_node, ready
from tests.node.sandbox import Bench, with_zygote

kernel = pytest.mark.kernel
BASE = "http://172.30.0.11:10250/attach/default"
ChannelData = list[tuple[int, bytes]]


def test_frames_come_out_whole_however_they_were_cut() -> None:
    stream = HEAD.pack(1, 5) + b"hello" + HEAD.pack(2, 0) + HEAD.pack(1, 1) + b"!"
    buffer, found = bytearray(), []
    for byte in stream:
        buffer.append(byte)
        found += list(frames(buffer))
    assert found == [(1, b"hello"), (2, b""), (1, b"!")]
    assert not buffer


def test_a_client_that_does_not_read_is_dropped_with_an_error_at_its_end() -> None:
    reading, writing = os.pipe()
    attached = AttachedClient(writing, stdin=False)
    chunk = b"x" * 65536
    for _ in range(LIMIT // len(chunk) + 3):
        attached.feed(1, chunk)
        attached.flush()
    assert attached.ended
    os.set_blocking(reading, False)
    buffer = bytearray()
    while not attached.flush():
        buffer += os.read(reading, 1 << 20)
    buffer += os.read(reading, 1 << 20)
    found = list(frames(buffer))
    assert found[-1] == (DROPPED, b"")
    assert 0 < len(found) < 5, "what was queued for it has been let go"
    assert all(frame == (1, chunk) for frame in found[:-1])
    os.close(reading)
    attached.feed(1, b"more")
    assert attached.flush()
    assert attached.left()
    os.close(writing)


async def read_output(attachment: Attachment, enough: Callable[[bytes], bool] = lambda _: False) -> bytes:
    """Returns the container's data on both outputs, until it is enough or ends."""
    buffer, said = bytearray(), b""
    while not enough(said) and (data := await read_some(attachment.output)):
        buffer += data
        said += b"".join(part for _, part in frames(buffer))
    return said


@kernel
@as_any_user
def test_several_clients_get_the_same_output_and_the_log_continues(ordinary: bool) -> None:
    async def work(bench: Bench) -> tuple[list[bytes], list[str], list[str]]:
        script = "read x; echo got $x; echo err >&2; read x || echo end; exit 7"
        await bench.start("a", "sh", "-c", script, stdin=True, stdin_once=True)
        first = await bench.client.attach("a", stdin=True)
        second = await bench.client.attach("a", stdin=False)
        os.write(first.input, b"typed\n")
        output = [await read_output(one, lambda said: b"err" in said) for one in (first, second)]
        os.close(first.input)
        await bench.client.end_input("a")
        output += [await read_output(one) for one in (first, second)]
        await bench.exit_of("a")
        refused = []
        for name in ("a", "never"):
            with pytest.raises(ZygoteError) as error:
                await bench.client.attach(name, stdin=False)
            refused.append(str(error.value))
        return output, bench.log("a"), refused

    output, log, refused = with_zygote(work, ordinary=ordinary)
    assert output == [b"got typed\nerr\n"] * 2 + [b"end\n"] * 2
    assert log == ["stdout F got typed", "stderr F err", "stdout F end"]
    assert refused == ["container not running", "'never'"] or refused[0] == "ValueError('container not running')"


@kernel
def test_stdin_ends_with_its_first_client_only_if_stdin_once() -> None:
    async def work(bench: Bench) -> list[str]:
        for name, once in (("once", True), ("again", False)):
            script = "while read x; do echo $x; done; echo end"
            await bench.start(name, "sh", "-c", script, stdin=True, stdin_once=once)
            attachment = await bench.client.attach(name, stdin=True)
            os.write(attachment.input, b"one\n")
            await read_output(attachment, lambda said: said == b"one\n")
            os.close(attachment.input)
            os.close(attachment.output)  # as if its agent had died
        await bench.exit_of("once")
        attachment = await bench.client.attach("again", stdin=True)
        os.write(attachment.input, b"two\n")
        await read_output(attachment, lambda said: said == b"two\n")
        return [*bench.log("once"), *bench.log("again")]

    assert with_zygote(work) == ["stdout F one", "stdout F end", "stdout F one", "stdout F two"]


@kernel
def test_the_only_client_of_stdin_once_gets_earlier_output_and_others_do_not() -> None:
    async def work(bench: Bench) -> list[bytes]:
        output = []
        for name, once in (("once", True), ("again", False)):
            await bench.start(name, "sh", "-c", "echo early; read x; echo late", stdin=True, stdin_once=once)
            while not bench.log(name):  # noqa: ASYNC110 -- the log tells nobody
                await asyncio.sleep(0.001)
            watcher = await bench.client.attach(name, stdin=False)
            attachment = await bench.client.attach(name, stdin=True)
            os.write(attachment.input, b"go\n")
            output += [await read_output(attachment), await read_output(watcher)]
        return output

    assert with_zygote(work) == [b"early\nlate\n", b"late\n", b"late\n", b"late\n"]


@kernel
@as_any_user
def test_a_containers_terminal_is_shared_and_has_a_size(ordinary: bool) -> None:
    async def work(bench: Bench) -> tuple[bytes, list[str]]:
        script = "test -t 0 && read x; stty size; echo got $x; read y"
        await bench.start("a", "sh", "-c", script, stdin=True, terminal=True)
        attachment = await bench.client.attach("a", stdin=True)
        resize(attachment.input, 132, 43)
        os.write(attachment.input, b"hi\n")
        said = await read_output(attachment, lambda said: b"got hi" in said)
        os.write(attachment.input, b"\n")
        await bench.exit_of("a")
        return said, bench.log("a")

    said, log = with_zygote(work, ordinary=ordinary)
    assert b"43 132\r\n" in said
    assert b"got hi\r\n" in said
    assert "stdout F got hi" in log


@kernel
def test_a_client_that_stops_reading_holds_up_neither_the_container_nor_its_log() -> None:
    async def work(bench: Bench) -> tuple[int, bool]:
        megabytes = 2 * LIMIT >> 20
        script = f"read x; head -c {megabytes}M /dev/zero | tr '\\0' x | fold -w 1000; echo; echo end"
        await bench.start("a", "sh", "-c", script, stdin=True)
        attachment = await bench.client.attach("a", stdin=True)
        os.write(attachment.input, b"go\n")
        exit_ = (await asyncio.wait_for(bench.exit_of("a"), 30)).exit
        buffer, last = bytearray(), 0
        while data := await read_some(attachment.output):
            buffer += data
            for channel, _ in frames(buffer):
                last = channel
        return exit_.code, last == DROPPED and bench.log("a")[-1] == "stdout F end"

    assert with_zygote(work) == (0, True)


@asynccontextmanager
async def attach(query: str, pod: str = "p") -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with aiohttp.ClientSession() as session, asyncio.timeout(30):
        while True:
            try:
                ws = await session.ws_connect(f"{BASE}/{pod}/main?{query}", protocols=("v5.channel.k8s.io",))
                break
            except aiohttp.ClientError:  # a new agent is still finding out what runs
                await asyncio.sleep(0.01)
        async with ws:
            yield ws


async def listen(ws: aiohttp.ClientWebSocketResponse, until: bytes = b"\0") -> ChannelData:
    """The messages to the one that ends with `until`, or to the end."""
    said: ChannelData = []
    async for message in ws:
        said.append((message.data[0], message.data[1:]))
        if b"".join(data for _, data in said).endswith(until):
            break
    return said


@kernel
@as_any_user
def test_a_piped_input_reaches_the_container_and_its_end_is_the_sessions_success(ordinary: bool) -> None:
    async def work(node: NodeBench) -> tuple[ChannelData, ChannelData, int, list[str]]:
        async with node.agent():
            command = ["sh", "-c", "read x; echo $x; cat; echo e >&2; exit 7"]
            spec = {"name": "main", "image": "busybox", "command": command, "stdin": True, "stdinOnce": True}
            made = await node.create("p", spec, restartPolicy="Never")
            await node.until("p", ready)
            async with attach("stdin=true&stdout=true&stderr=true") as ws, attach("stdout=true&stderr=true") as deaf:
                await ws.send_bytes(b"\x00one\n")
                first = await listen(ws, b"one\n")
                await ws.send_bytes(b"\x00two\n")
                await ws.send_bytes(b"\xff\x00")
                said, output = first + await listen(ws), await listen(deaf)
            pod = await node.until("p", lambda pod: pod.status.phase == "Failed")
            ended = pod.status.containerStatuses[0].state.terminated
            return said, output, ended.exitCode if ended else -1, node.log(made, "main")

    said, output, code, log = on_node(work, ordinary=ordinary)
    assert said[:-1] == [(1, b""), (1, b"one\n"), (1, b"two\n"), (2, b"e\n")], "the empty one says that it stands"
    assert (said[-1][0], json.loads(said[-1][1])["status"]) == (3, "Success")
    assert [(c, data) for c, data in output if c != 3 and data] == [(1, b"one\n"), (1, b"two\n"), (2, b"e\n")]
    assert (code, log) == (7, ["one", "two", "e"])


@kernel
def test_a_container_outlives_the_agent_with_its_terminal_and_can_be_attached_again() -> None:
    async def work(node: NodeBench) -> tuple[ChannelData, ChannelData, int]:
        spec = {"name": "main", "image": "busybox", "stdin": True, "stdinOnce": True, "tty": True}
        async with node.agent():
            await node.create("p", spec, restartPolicy="Never")
            await node.until("p", ready)
            async with attach("stdin=true&stdout=true&tty=true") as ws:
                await ws.send_bytes(b'\x04{"Width":90,"Height":20}')
                await ws.send_bytes(b"\x00stty size; word=kept\n")
                first = await listen(ws, b"20 90\r\n")
        async with node.agent(), attach("stdin=true&stdout=true&tty=true") as ws:
            await ws.send_bytes(b"\x00echo $word; exit 3\n")
            second = await listen(ws)
            pod = await node.until("p", lambda pod: pod.status.phase == "Failed")
            ended = pod.status.containerStatuses[0].state.terminated
            return first, second, ended.exitCode if ended else -1

    first, second, code = on_node(work)
    assert b"20 90\r\n" in b"".join(data for _, data in first)
    assert b"\nkept\r\n" in b"".join(data for _, data in second)
    assert (second[-1][0], code) == (3, 3)


@kernel
def test_what_cannot_be_attached_is_an_ordinary_answer() -> None:
    async def work(node: NodeBench) -> list[tuple[int, str]]:
        async with node.agent():
            spec = {"name": "main", "image": "busybox", "command": ["sleep", "60"]}
            await node.create("p", spec, restartPolicy="Never")
            await node.until("p", ready)
            answers = []
            async with aiohttp.ClientSession() as session:
                upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
                upgrade |= {
                    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
                    "Sec-WebSocket-Protocol": "v5.channel.k8s.io",
                }
                for path in ("/p/other?stdout=1", "/none/main?stdout=1", "/p/main", "/p/main?stdout=1"):
                    headers = upgrade if path != "/p/main?stdout=1" else {}
                    async with session.get(BASE + path, headers=headers) as response:
                        answers.append((response.status, await response.text()))
            return answers

    assert on_node(work) == [
        (400, "container other not found in pod p_default"),
        (404, 'pod "none" is not on this node'),
        (400, "you must specify at least 1 of stdin, stdout, stderr"),
        (400, "unable to upgrade: missing upgrade headers in request"),
    ]
