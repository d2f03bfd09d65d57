"""Writes to connections, also to lost ones, whatever the event loop.

A write to a connection that is lost is a ConnectionResetError. uvloop raises RuntimeError, and asyncio drops the data;
so components do not call `write` and `write_eof` of a StreamWriter.
"""

from __future__ import annotations

import asyncio
import errno
import os
from typing import Any


async def send(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Writes the data and waits until there is room for more. Raises ConnectionError if the connection is lost."""
    if writer.is_closing():
        raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
    writer.write(data)
    await writer.drain()


def end(writer: asyncio.StreamWriter) -> None:
    """Ends the stream towards the other side, which may still send. Does nothing on a connection that is lost."""
    if not writer.is_closing() and writer.can_write_eof():
        writer.write_eof()


def ignore_lost_connections() -> None:
    """Lets the running event loop ignore TLS connections that are lost while uvloop answers them.

    uvloop reads records and writes its answers (alerts, key updates) in one step. If the connection is lost in between,
    the write is a RuntimeError, which uvloop reports with a traceback; the connection's owner learns of the loss
    anyway."""
    asyncio.get_running_loop().set_exception_handler(_report)


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # A transport that libuv has closed is not `is_closing` for uvloop, so only the text tells.
    error, writes = context.get("exception"), "transport" in context
    if not (writes and isinstance(error, RuntimeError) and str(error).endswith("the handler is closed")):
        loop.default_exception_handler(context)
