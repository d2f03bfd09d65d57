"""Answers without an end, on their way out: watches, and logs that are followed.

What must stay true: the first event after a pause leaves at once, and order is kept. After a write a stream rests,
and what comes meanwhile goes out together, because to encrypt and send a few bytes costs more than everything else
about an event. It rests the longer the more it just wrote: a stream that is told something now and then hardly waits,
and one that is told of a thousand changes a second is written to fifty times. A watcher that was dropped for being
slow has its connection cut, since it may never read its end.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from fairlead.apiserver.model import Stream
from fairlead.apiserver.watch import WatchStream

_EACH_S = 0.002
_MOST_S = 0.02


def rest_s(events: int) -> float:
    """How long a stream rests that was just sent so many."""
    return min(events * _EACH_S, _MOST_S)


async def send_stream(request: web.BaseRequest, stream: Stream) -> web.StreamResponse:
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
            await asyncio.sleep(rest_s(len(pieces)))
        await response.write_eof()
    except ConnectionError:
        pass  # the reader went away; there is nobody to tell
    finally:
        stream.close()
    return response
