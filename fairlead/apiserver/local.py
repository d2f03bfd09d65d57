"""The in-process transport: a component in the same process calls the core, without bytes on a wire."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fairlead.apiserver.core import Core
from fairlead.apiserver.model import Forward, Stream, Upgrade, User
from fairlead.apiserver.requestinfo import request_info
from fairlead.runtime.client import Request, Response
from fairlead.runtime.typed import decode_status_error


class LocalTransport:
    """Implements `Transport` for one user."""

    def __init__(self, core: Core, user: User) -> None:
        self._core = core
        self._user = user

    async def request(self, request: Request) -> Response:
        info = request_info(request.method, request.path, request.query)
        outcome = await self._core.handle(request, info, self._user)
        if isinstance(outcome, Response):
            return outcome
        if isinstance(outcome, Upgrade | Forward):
            raise ConnectionError("a WebSocket or proxied request needs a real connection")
        pieces: list[bytes] = []
        try:
            while more := await outcome.next():
                pieces += more
        finally:
            outcome.close()
        return Response(200, b"".join(pieces), outcome.headers)

    async def stream(self, request: Request) -> AsyncIterator[bytes]:
        info = request_info(request.method, request.path, request.query)
        outcome = await self._core.handle(request, info, self._user)
        if isinstance(outcome, Upgrade | Forward):
            raise ConnectionError("a WebSocket or proxied request needs a real connection")
        if isinstance(outcome, Response):
            if outcome.status != 200:
                raise decode_status_error(outcome.status, outcome.body)
            for line in outcome.body.splitlines():
                yield line
            return
        ended = self._core.streaming(info)
        try:
            async for line in _lines(outcome):
                yield line
        finally:
            ended()
            outcome.close()


async def _lines(stream: Stream) -> AsyncIterator[bytes]:
    """Pieces as lines; a watch's pieces are lines already, a log's need not be."""
    rest = b""
    while pieces := await stream.next():
        for piece in pieces:
            if not rest and piece.endswith(b"\n") and piece.count(b"\n") == 1:
                yield piece[:-1]
                continue
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield line
    if rest:
        yield rest
