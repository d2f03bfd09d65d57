"""Exec and attach at the kubelet API in every version and subprotocol, with clients of the tests' own."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace
from urllib.parse import urlencode

import aiohttp
import pytest

from fairlead.node.streaming.channels import COMMAND_PROTOCOLS, ChannelProtocol
from fairlead.node.streaming.remotecommand import VERSIONS
from tests.node.nodebench import NodeBench, on_node, ready, shell
from tests.node.streaming.client import Spdy, spdy

pytestmark = [pytest.mark.kernel, pytest.mark.slow]
HOST, PORT = "172.30.0.11", 10250
SCRIPT = "read x; echo got $x; cat; echo e >&2; exit 7"
ALL = {"stdin": "true", "stdout": "true", "stderr": "true"}
STATUS = {
    "metadata": {},
    "status": "Failure",
    "message": "command terminated with non-zero exit code: exit status 7",
    "reason": "NonZeroExitCode",
    "details": {"causes": [{"reason": "ExitCode", "message": "7"}]},
}


def exec_path(script: str, **query: str) -> str:
    pairs = [("command", "sh"), ("command", "-c"), ("command", script), *query.items()]
    return f"/exec/default/p/main?{urlencode(pairs)}"


async def running_pod(node: NodeBench) -> None:
    await node.create("p", shell("sleep 600"))
    await node.until("p", ready)


async def say_all(client: Spdy) -> None:
    """Opens the streams in the order of upstream's client, and sends the script's input in two pieces."""
    for name in ("error", "stdin", "stdout", "stderr"):
        await client.open(name)
    await client.say("stdin", b"one\n")
    await client.until("stdout", b"got one\n")
    await client.say("stdin", b"two\n", end=True)
    await client.to_the_end()


def test_every_version_of_spdy_carries_input_outputs_and_the_end() -> None:
    async def work(node: NodeBench) -> dict[str, tuple[str, bytes, bytes, bytes, set[int]]]:
        found = {}
        async with node.agent():
            await running_pod(node)
            for version in VERSIONS:
                async with spdy(HOST, PORT, exec_path(SCRIPT, **ALL), ["v9.channel.k8s.io", version.name]) as client:
                    await say_all(client)
                    heard = (client.heard("stdout"), client.heard("stderr"), client.heard("error"))
                    found[version.name] = (client.head, *heard, client.got.ended)
        return found

    found = on_node(work)
    assert list(found) == [version.name for version in VERSIONS]
    for version in VERSIONS:
        head, out, err, error, ended = found[version.name]
        assert head.startswith("HTTP/1.1 101 ")
        assert f"X-Stream-Protocol-Version: {version.name}\r\n" in head
        assert (out, err) == (b"got one\ntwo\n", b"e\n")
        assert ended == {1, 3, 5, 7}, "every stream is ended, or clients wait for it"
        if version.json_status:
            assert json.loads(error) == STATUS
        else:
            assert error.decode() == STATUS["message"]


def test_a_terminal_has_the_size_of_the_resize_stream() -> None:
    async def work(node: NodeBench) -> tuple[bytes, bytes]:
        path = exec_path("stty size; read x; stty size; echo got $x", stdin="1", stdout="1", stderr="1", tty="1")
        async with node.agent():
            await running_pod(node)
            async with spdy(HOST, PORT, path, ["v4.channel.k8s.io"]) as client:
                for name in ("error", "stdin", "stdout", "resize"):
                    await client.open(name)
                await client.say("resize", b'{"Width":132,"Height":43}\n{"Wid')
                await client.until("stdout", b"43 132\r\n")
                await client.say("resize", b'th":90,"Height":20}\n')
                await client.say("stdin", b"hi\n")
                await client.to_the_end()
                return client.heard("stdout"), client.heard("error")

    out, error = on_node(work)
    assert b"20 90\r\ngot hi\r\n" in out
    assert json.loads(error)["status"] == "Success"


def test_attach_speaks_spdy_too() -> None:
    async def work(node: NodeBench) -> tuple[bytes, bytes, bytes]:
        async with node.agent():
            spec = shell("read x; echo got $x; cat; echo e >&2; exit 7", stdin=True, stdinOnce=True)
            await node.create("p", spec, restartPolicy="Never")
            await node.until("p", ready)
            path = f"/attach/default/p/main?{urlencode(ALL)}"
            async with spdy(HOST, PORT, path, ["v4.channel.k8s.io"]) as client:
                await say_all(client)
                return client.heard("stdout"), client.heard("stderr"), client.heard("error")

    out, err, error = on_node(work)
    assert (out, err) == (b"got one\ntwo\n", b"e\n")
    assert json.loads(error)["status"] == "Success"


async def over_websocket(
    session: aiohttp.ClientSession, path: str, protocol: ChannelProtocol, *inputs: tuple[int, bytes]
) -> tuple[str | None, list[tuple[int, bytes]]]:
    """The protocol in the answer, and the messages to the end."""
    names = (protocol.name,) if protocol.name else ()
    said: list[tuple[int, bytes]] = []
    async with session.ws_connect(f"http://{HOST}:{PORT}{path}", protocols=names) as ws:
        for channel, data in inputs:
            if protocol.base64:
                await ws.send_str(f"{channel}{base64.b64encode(data).decode()}")
            else:
                await ws.send_bytes(bytes([channel]) + data)
        async for message in ws:
            if protocol.base64:
                assert message.type is aiohttp.WSMsgType.TEXT
                said.append((int(message.data[0]), base64.b64decode(message.data[1:])))
            else:
                assert message.type is aiohttp.WSMsgType.BINARY
                said.append((message.data[0], message.data[1:]))
        return ws.protocol, said


def test_every_subprotocol_of_websocket_carries_input_outputs_and_the_end() -> None:
    async def work(node: NodeBench) -> list[tuple[str | None, list[tuple[int, bytes]]]]:
        script = "read x; echo got $x; echo e >&2; exit 7"
        async with node.agent(), aiohttp.ClientSession() as session:
            await running_pod(node)
            path = exec_path(script, **ALL)
            return [await over_websocket(session, path, p, (0, b"o"), (0, b"ne\n")) for p in COMMAND_PROTOCOLS]

    for protocol, (name, said) in zip(COMMAND_PROTOCOLS, on_node(work), strict=True):
        assert (name or "") == protocol.name
        assert said[0] == (1, b"")
        assert sorted(said[1:-1]) == [(1, b"got one\n"), (2, b"e\n")]
        channel, end = said[-1]
        assert channel == 3
        assert (json.loads(end) if protocol.json_status else end.decode()) == (
            STATUS if protocol.json_status else STATUS["message"]
        )


def test_success_is_reported_in_json_protocols_only_and_input_ends_at_the_close_signal() -> None:
    async def work(node: NodeBench) -> list[list[tuple[int, bytes]]]:
        async with node.agent(), aiohttp.ClientSession() as session:
            await running_pod(node)
            by_name = {protocol.name: protocol for protocol in COMMAND_PROTOCOLS}
            old = await over_websocket(session, exec_path("echo x", stdout="true"), by_name["channel.k8s.io"])
            path = exec_path("cat", stdin="true", stdout="true")
            new = await over_websocket(session, path, by_name["v5.channel.k8s.io"], (0, b"x"), (255, b"\0"))
            return [old[1], new[1]]

    old, new = on_node(work)
    assert old == [(1, b""), (1, b"x\n")]
    assert [*new[:-1]] == [(1, b""), (1, b"x")]
    assert json.loads(new[-1][1]) == {"metadata": {}, "status": "Success"}


def test_a_long_output_arrives_whole_though_its_reader_is_slow() -> None:
    async def work(node: NodeBench) -> int:
        path, size = exec_path("head -c 3000000 /dev/zero", stdout="true"), 0
        async with node.agent(), aiohttp.ClientSession() as session:
            await running_pod(node)
            async with session.ws_connect(f"http://{HOST}:{PORT}{path}", protocols=("v5.channel.k8s.io",)) as ws:
                async for message in ws:
                    size += len(message.data) - 1 if message.data[0] == 1 else 0
                    await asyncio.sleep(0.02)  # slower than the linger after the program's end, taken together
        return size

    assert on_node(work) == 3_000_000


def test_what_is_held_open_by_another_program_does_not_hold_up_the_end() -> None:
    async def work(node: NodeBench) -> bytes:
        async with node.agent():
            await running_pod(node)
            path = exec_path("sleep 300 & echo done", stdout="true")
            async with spdy(HOST, PORT, path, ["v4.channel.k8s.io"]) as client:
                for name in ("error", "stdout"):
                    await client.open(name)
                await client.to_the_end()
                return client.heard("stdout")

    assert on_node(work) == b"done\n"


def test_a_handshake_that_fails_is_answered_in_upstreams_words() -> None:
    async def work(node: NodeBench) -> list[tuple[int, str, list[str]]]:
        upgrade = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
        websocket = upgrade | {"Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        websocket |= {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
        version = "X-Stream-Protocol-Version"
        cases: list[dict[str, str]] = [
            {},
            upgrade,
            upgrade | {version: " , "},
            upgrade | {version: "v9.channel.k8s.io"},
            websocket | {"Sec-WebSocket-Protocol": "v9.channel.k8s.io, x"},
        ]
        answers = []
        async with node.agent(), aiohttp.ClientSession() as session:
            await running_pod(node)
            url = f"http://{HOST}:{PORT}"
            for headers in cases:
                async with session.post(f"{url}{exec_path('true', **ALL)}", headers=headers) as answer:
                    known = answer.headers.getall("X-Accepted-Stream-Protocol-Versions", [])
                    answers.append((answer.status, await answer.text(), known))
            async with session.get(f"{url}{exec_path('true')}", headers=upgrade) as answer:
                answers.append((answer.status, await answer.text(), []))
            where = f"{url}/exec/default/p/other?command=true&stdout=1"
            async with session.get(where, headers=upgrade) as answer:
                answers.append((answer.status, await answer.text(), []))
        return answers

    versions = ["v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io"]
    start = "unable to upgrade: "
    assert on_node(work) == [
        (400, start + "missing upgrade headers in request", []),
        (400, start + "header X-Stream-Protocol-Version does not exist in request", []),
        (400, start + "header X-Stream-Protocol-Version names no protocol", []),
        (
            403,
            start + "unable to negotiate protocol: client supports [v9.channel.k8s.io], "
            f"server accepts [{' '.join(versions)}]",
            versions,
        ),
        (
            403,
            start + "unable to negotiate protocol: client supports [v9.channel.k8s.io x], "
            'server accepts ["" channel.k8s.io base64.channel.k8s.io v4.channel.k8s.io v4.base64.channel.k8s.io '
            "v5.channel.k8s.io]",
            [],
        ),
        (400, "you must specify at least 1 of stdin, stdout, stderr", []),
        (400, 'container not found ("other")', []),
    ]


def test_a_client_that_never_reads_or_never_opens_its_streams_is_cut_when_it_is_idle() -> None:
    async def work(node: NodeBench) -> tuple[bool, bool]:
        node.settings = replace(node.settings, streaming_idle_s=0.5)
        async with node.agent():
            await running_pod(node)
            async with spdy(HOST, PORT, exec_path("cat", **ALL), ["v4.channel.k8s.io"]) as client:
                await client.open("error")
                await client.to_the_end()
                opened = bool(client.got.ended)
            path = exec_path("yes; echo cut >/tmp/end", stdout="true")
            async with spdy(HOST, PORT, path, ["v4.channel.k8s.io"]) as deaf:
                for name in ("error", "stdout"):
                    await deaf.open(name)
                deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
                path = exec_path("until grep cut /tmp/end; do echo; sleep 0.05; done", stdout="true")
                async with spdy(HOST, PORT, path, ["v4.channel.k8s.io"]) as client:
                    for name in ("error", "stdout"):
                        await client.open(name)
                    await client.until("stdout", b"cut")
                    return opened, True

    assert on_node(work) == (False, True)
