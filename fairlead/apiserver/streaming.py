"""Sends responses without an end: watches, and followed logs.

What must stay true: the first event after a pause leaves at once, and order is preserved. After each write a stream
pauses, and events that arrive meanwhile are sent together, because encrypting and sending a few bytes costs more than
everything else about an event. The pause grows with the number of events just written and with the number of paused
streams: a stream with rare events hardly waits; a stream with a thousand changes a second is written about fifty times
a second; fifty busy streams together are written no more often than a few. If a slow watcher is dropped,
its connection is closed, because it may never read the end of the stream.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from fairlead.apiserver.model import Stream
from fairlead.apiserver.watchcache.watch import WatchStream

_EVENT_S, _STREAM_S = 0.002, 0.0004
_MOST_S = 0.02


def pause_s(events: int, paused: int) -> float:
    """Returns the pause in seconds after a write of `events`. `paused`: number of paused streams, this one included."""
    return min(max(events * _EVENT_S, paused * _STREAM_S), _MOST_S)


class Pace:
    """Counts the paused streams of all connections."""

    def __init__(self) -> None:
        self._paused = 0

    async def pause(self, events: int) -> None:
        """Pauses after a write of `events` events."""
        self._paused += 1
        try:
            await asyncio.sleep(pause_s(events, self._paused))
        finally:
            self._paused -= 1


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
            await pace.pause(len(pieces))
        await response.write_eof()
    except ConnectionError:
        pass  # the client disconnected
    finally:
        stream.close()
    return response
