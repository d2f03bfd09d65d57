"""Reading and writing pipes and terminals from the event loop, by readiness.

Rejected: the loop's own pipe transports, which close a terminal's descriptor on EIO with an error, and want one
object for each direction of the same descriptor.
"""

from __future__ import annotations

import asyncio
import os

_CHUNK = 1 << 16


async def read_some(fd: int) -> bytes:
    """Returns the available data, waiting until there is some; empty at the end. The descriptor must not block."""
    while True:
        try:
            return os.read(fd, _CHUNK)
        except BlockingIOError:
            await _ready(fd, write=False)
        except OSError:  # EIO: no program has the terminal open any more
            return b""


async def write_all(fd: int, data: bytes) -> None:
    """Writes all data. Raises BrokenPipeError if the reader has closed the pipe."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            await _ready(fd, write=True)


async def _ready(fd: int, *, write: bool) -> None:
    loop = asyncio.get_running_loop()
    future: asyncio.Future[None] = loop.create_future()
    # A duplicate, because a loop takes one reader a descriptor and a terminal is read and written at once.
    own = os.dup(fd)
    add, remove = (loop.add_writer, loop.remove_writer) if write else (loop.add_reader, loop.remove_reader)
    add(own, lambda: None if future.done() else future.set_result(None))
    try:
        await future
    finally:
        remove(own)
        os.close(own)
