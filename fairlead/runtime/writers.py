"""Writes to connections, also to lost ones, whatever the event loop.

A write to a connection that is lost is a ConnectionResetError. uvloop raises RuntimeError, and asyncio drops the data;
so components do not call `write` and `write_eof` of a StreamWriter.
"""

from __future__ import annotations

import asyncio
import errno
import os


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
