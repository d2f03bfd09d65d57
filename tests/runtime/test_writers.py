"""Writes to connections that are lost, on both event loops."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

import fairlead
from fairlead.runtime.writers import end, ignore_lost_connections, send

ROOT = Path(fairlead.__file__).parent
Run = Callable[[Coroutine[Any, Any, Any]], Any]
LOOPS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
RESETS = struct.pack("ii", 1, 0)
"""SO_LINGER without a wait: the close sends RST."""


async def lost() -> asyncio.StreamWriter:
    """Returns the writer of a connection that the other side has reset."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        peer, _ = listener.accept()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETS)
    peer.close()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    return writer


@LOOPS
def test_a_write_to_a_lost_connection_is_a_connection_error(run: Run) -> None:
    async def main() -> None:
        writer = await lost()
        with pytest.raises(ConnectionResetError, match="Connection reset by peer"):
            await send(writer, b"late")
        writer.close()

    run(main())


@LOOPS
def test_the_end_of_a_lost_connection_needs_no_second_end(run: Run) -> None:
    async def main() -> None:
        writer = await lost()
        end(writer)
        writer.close()

    run(main())


def test_the_loop_ignores_what_uvloop_cannot_write_to_a_lost_connection(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        ignore_lost_connections()
        writer = await lost()
        with pytest.raises(RuntimeError) as raised:
            writer.transport.write(b"late")
        context = {"message": "Fatal error on SSL protocol", "exception": raised.value, "transport": writer.transport}
        loop.call_exception_handler(context)
        loop.call_exception_handler(context | {"transport": asyncio.Transport()})  # one that only libuv has closed
        assert caplog.records == []
        loop.call_exception_handler(context | {"exception": RuntimeError("something else")})
        loop.call_exception_handler({"message": "Task failed", "exception": raised.value})
        assert [record.getMessage().partition("\n")[0] for record in caplog.records] == [
            "Fatal error on SSL protocol",
            "Task failed",
        ]

    uvloop.run(main())


@LOOPS
def test_data_and_the_end_of_a_stream_reach_the_other_side(run: Run) -> None:
    async def main() -> bytes:
        ours, theirs = socket.socketpair()
        reader, other = await asyncio.open_connection(sock=theirs)
        _, writer = await asyncio.open_connection(sock=ours)
        await send(writer, b"data")
        end(writer)
        data = await reader.read()
        other.close()
        writer.close()
        return data

    assert run(main()) == b"data"


def test_components_on_uvloop_write_to_streams_by_send_alone() -> None:
    """`request.writer` is aiohttp's, which examines the transport itself."""
    direct = re.compile(r"(?<!request\.)\bwriter\.(write|write_eof|writelines)\(")
    files = (path for part in ("apiserver", "node", "runtime", "controllers") for path in (ROOT / part).rglob("*.py"))
    assert [str(p) for p in files if p.name != "writers.py" and direct.search(p.read_text(encoding="utf-8"))] == []
