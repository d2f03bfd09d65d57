"""Clients that break the protocols: the connection ends, the node goes on, and nothing is logged."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import struct
import zlib
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from fairlead.node.streaming import channels
from fairlead.node.streaming.channels import COMMAND_PROTOCOLS, ProtocolError
from fairlead.node.streaming.remotecommand import Resize, Sizes, parse_size
from fairlead.node.streaming.spdy import DICTIONARY
from tests.node.nodebench import NodeBench, on_node, ready, shell
from tests.node.streaming.client import spdy
from tests.node.streaming.test_command import ALL, HOST, PORT, exec_path
from tests.node.streaming.test_spdy import conversation, mutated

VERSIONS = {exec_path("cat", **ALL): "v4.channel.k8s.io", "/portForward/default/p": "portforward.k8s.io"}


def test_any_message_is_data_a_close_signal_or_a_protocol_error() -> None:
    rng = random.Random(1)
    for _ in range(20_000):
        message = rng.randbytes(rng.randrange(12))
        for protocol in COMMAND_PROTOCOLS:
            with suppress(ProtocolError):
                channels.decode(protocol, message)
    v5 = COMMAND_PROTOCOLS[-1]
    for message in (b"\xff", b"\xff\0\0"):
        with pytest.raises(ProtocolError, match="invalid close signal"):
            channels.decode(v5, message)
    with pytest.raises(ProtocolError, match="illegal base64 data"):
        channels.decode(COMMAND_PROTOCOLS[2], b"0%%%%")
    assert channels.decode(COMMAND_PROTOCOLS[2], b"0aGVs\r\nbG8=") == channels.ChannelData(0, b"hello")


def test_a_terminal_size_is_two_small_numbers_and_nothing_else() -> None:
    assert parse_size(b'{"Width":80,"Height":24}') == Resize(80, 24)
    wrong = ("{}", "[]", "1", "", '{"Width":0,"Height":1}', '{"Width":1e3,"Height":1}', '{"Width":65536,"Height":1}')
    for text in (*wrong, '{"Width":true,"Height":1}', "[" * 5000, '{"Width":"80","Height":"24"}'):
        assert parse_size(text.encode()) is None
    sizes = Sizes()
    assert list(sizes.receive(b'{"a":"')) == []
    with pytest.raises(ProtocolError, match="no terminal size"):
        list(sizes.receive(b"x" * 10_000))


class Heard:
    """Records the log of libraries and of the loop."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        handler = logging.Handler()
        handler.emit = lambda record: self.lines.append(record.getMessage())  # type: ignore[method-assign]
        logging.getLogger().addHandler(handler)
        asyncio.get_running_loop().set_exception_handler(self._failed)

    def _failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.lines.append(str(context))


async def pod(node: NodeBench) -> None:
    await node.create("p", shell("sleep 600"))
    await node.until("p", ready)


@pytest.mark.kernel
@pytest.mark.slow
def test_mutated_conversations_end_and_leave_neither_a_log_line_nor_a_descriptor() -> None:
    async def attack(path: str, seed: int) -> None:
        rng = random.Random(seed)
        data = mutated(conversation(rng), rng)
        with suppress(ConnectionError):
            async with spdy(HOST, PORT, path, [VERSIONS[path]]) as client:
                await client.send(data)
                client.writer.write_eof()
                with suppress(struct.error):
                    await client.to_the_end()

    async def work(node: NodeBench) -> tuple[list[str], int, bytes]:
        async with node.agent():
            await pod(node)
            heard = Heard()
            before = 0
            for round_ in range(10):
                for path in VERSIONS:
                    await asyncio.gather(*(attack(path, 20 * round_ + n) for n in range(20)))
                await asyncio.sleep(0)
                before = before or _open_files()
            async with spdy(HOST, PORT, exec_path("echo alive", stdout="1"), ["v4.channel.k8s.io"]) as client:
                for name in ("error", "stdout"):
                    await client.open(name)
                await client.to_the_end()
            while _open_files() > before:  # noqa: ASYNC110 -- closed in a moment, which nobody tells
                await asyncio.sleep(0.01)
            return heard.lines, 0, client.heard("stdout")

    assert on_node(work) == ([], 0, b"alive\n")


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.kernel
@pytest.mark.slow
def test_a_bomb_an_oversized_frame_and_an_oversized_message_end_their_connection() -> None:
    bomb = zlib.compressobj(9, zdict=DICTIONARY)
    block = bomb.compress(bytes(32 << 20)) + bomb.flush(zlib.Z_SYNC_FLUSH)
    opened = struct.pack(">IIH", 1, 0, 0) + block
    frames = (
        struct.pack(">HHI", 0x8003, 1, len(opened)) + opened,
        struct.pack(">II", 1, 0xFFFFFF),
        b"GET / HTTP/1.1\r\n\r\n",
    )

    async def work(node: NodeBench) -> tuple[list[str], list[bool], list[aiohttp.WSMsgType]]:
        async with node.agent(), aiohttp.ClientSession() as session:
            await pod(node)
            heard, ended, closed = Heard(), [], list[aiohttp.WSMsgType]()
            for path, version in VERSIONS.items():
                for data in frames:
                    async with spdy(HOST, PORT, path, [version]) as client:
                        await client.send(data)
                        with suppress(ConnectionError):
                            await client.to_the_end()
                        ended.append(True)
            url = f"http://{HOST}:{PORT}{exec_path('cat', **ALL)}"
            for message in (b"\xff\0\0", b"\xff"):
                async with session.ws_connect(url, protocols=("v5.channel.k8s.io",)) as ws:
                    await ws.send_bytes(message)
                    while (got := await ws.receive()).type is aiohttp.WSMsgType.BINARY:
                        pass
                    closed.append(got.type)
            return heard.lines, ended, closed

    lines, ended, closed = on_node(work)
    assert lines == []
    assert len(ended) == 2 * len(frames)
    assert closed == [aiohttp.WSMsgType.CLOSE] * 2
