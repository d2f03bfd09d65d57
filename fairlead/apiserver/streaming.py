"""Answers without an end, on their way out: watches, and logs that are followed.

What must stay true: the first event after a pause leaves at once, and order is kept. Under load streams rest after
each write, and what comes meanwhile goes out together: to encrypt and send a few bytes costs more than everything
else about an event. The more streams write, the longer each rests, so that all of them together cannot take more
than a part of the loop's time. A watcher that was dropped for being slow has its connection cut, since it may never
read its end.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from fairlead.apiserver.model import Stream
from fairlead.apiserver.watch import WatchStream

_EACH_S = 0.0004
_LEAST_S, _MOST_S = 0.002, 0.02


def rest_s(resting: int) -> float:
    """How long a stream rests where so many do, itself among them."""
    return min(max(_LEAST_S, resting * _EACH_S), _MOST_S)


class Pace:
    """Counts the streams that rest, over all connections."""

    def __init__(self) -> None:
        self._resting = 0

    async def rest(self) -> None:
        """After a write."""
        self._resting += 1
        try:
            await asyncio.sleep(rest_s(self._resting))
        finally:
            self._resting -= 1


async def send_stream(request: web.BaseRequest, stream: Stream, pace: Pace) -> web.StreamResponse:
    response = web.StreamResponse(headers=stream.headers)
    response.enable_chunked_encoding()
    transport = request.transport
    if isinstance(stream, WatchStream) and transport is not None:
        stream.on_overflow = transport.abort
    try:
        await response.prepare(request)
        while pieces := await stream.next():
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            if transport is None or transport.is_closing():
                break
            # A chunk of the answer's body, past aiohttp: its way there is four calls and two copies long.
            transport.write(b"%x\r\n%b\r\n" % (len(data), data))
            await request.writer.drain()
            await pace.rest()
        await response.write_eof()
    except ConnectionError:
        pass  # the reader went away; there is nobody to tell
    finally:
        stream.close()
    return response
