"""Sends responses without an end: watches, and followed logs.

What must stay true: the first event after a pause leaves at once, and order is preserved. After each write a stream
rests, and events that arrive meanwhile are sent together, because encrypting and sending a few bytes costs more than
everything else about an event. The rest grows with the number of events just written, and with the number of streams
that are resting: a stream with rare events hardly waits; a stream with a thousand changes a second is written about
fifty times a second; fifty busy streams together are written no more often than a few. If a slow watcher is dropped,
its connection is closed, because it may never read the end of the stream.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from fairlead.apiserver.model import Stream
from fairlead.apiserver.watchcache.watch import WatchStream

_EVENT_S, _STREAM_S = 0.002, 0.0004
_MOST_S = 0.02


def rest_s(events: int, resting: int) -> float:
    """Returns how many seconds a stream rests after a write of `events`; `resting` streams rest now, this one
    included."""
    return min(max(events * _EVENT_S, resting * _STREAM_S), _MOST_S)


class Pace:
    """Counts the streams that rest, over all connections."""

    def __init__(self) -> None:
        self._resting = 0

    async def rest(self, events: int) -> None:
        """Rests after a write of so many events."""
        self._resting += 1
        try:
            await asyncio.sleep(rest_s(events, self._resting))
        finally:
            self._resting -= 1


async def send_stream(request: web.BaseRequest, stream: Stream, pace: Pace) -> web.StreamResponse:
    """Sends a stream as a chunked response until it ends or the client disconnects."""
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
            # One chunk, written past aiohttp, whose own path takes four calls and two copies.
            transport.write(b"%x\r\n%b\r\n" % (len(data), data))
            await request.writer.drain()
            await pace.rest(len(pieces))
        await response.write_eof()
    except ConnectionError:
        pass  # the client disconnected
    finally:
        stream.close()
    return response
