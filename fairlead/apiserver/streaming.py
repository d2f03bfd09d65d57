"""Answers without an end, on their way out: watches, and logs that are followed.

What must stay true: the first event after a pause leaves at once, and order is kept. After a write a stream rests,
and what comes meanwhile goes out together, because to encrypt and send a few bytes costs more than everything else
about an event. It rests the longer the more it just wrote, and the more streams there are that just wrote: a stream
that is told something now and then hardly waits, one that is told of a thousand changes a second is written to fifty
times, and fifty streams together are written to no oftener than a few. A watcher that was dropped for being
slow has its connection cut, since it may never read its end.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from fairlead.apiserver.model import Stream
from fairlead.apiserver.watchcache.watch import WatchStream

_EVENT_S, _STREAM_S = 0.002, 0.0004
_MOST_S = 0.02


def rest_s(events: int, resting: int) -> float:
    """How long a stream rests that was just sent so many events, where so many streams rest, itself among them."""
    return min(max(events * _EVENT_S, resting * _STREAM_S), _MOST_S)


class Pace:
    """Counts the streams that rest, over all connections."""

    def __init__(self) -> None:
        self._resting = 0

    async def rest(self, events: int) -> None:
        """After a write of so many."""
        self._resting += 1
        try:
            await asyncio.sleep(rest_s(events, self._resting))
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
            await pace.rest(len(pieces))
        await response.write_eof()
    except ConnectionError:
        pass  # the reader went away; there is nobody to tell
    finally:
        stream.close()
    return response
