"""The in-process transport: a component in the same process calls the core without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from fairlead.apiserver.connect.fetching import fetch
from fairlead.apiserver.core import Core
from fairlead.apiserver.model import Forward, Upgrade, User
from fairlead.apiserver.requestinfo import request_info
from fairlead.runtime.lines import LineSplitter
from fairlead.runtime.transport import Request, Response, decode_status_error


class LocalTransport:
    """Calls the core as one user. Implements `Transport`."""

    def __init__(self, core: Core, user: User) -> None:
        self._core = core
        self._user = user

    async def request(self, request: Request) -> Response:
        """Returns the response, also that of an extension server; a stream is read to its end. Raises ConnectionError
        for an upgrade or a request to a pod or node."""
        info = request_info(request.method, request.path, request.query)
        outcome = await self._core.handle(request, info, self._user)
        if isinstance(outcome, Response):
            return outcome
        if isinstance(outcome, Forward) and outcome.tls is not None:
            return await fetch(outcome, request)
        if isinstance(outcome, Upgrade | Forward):
            raise ConnectionError("a WebSocket or proxied request needs a real connection")
        pieces: list[bytes] = []
        ended = self._core.streaming(info, outcome)
        try:
            while more := await outcome.next():
                pieces += more
        finally:
            ended(200)
            outcome.close()
        return Response(200, b"".join(pieces), outcome.headers)

    async def stream(self, request: Request) -> AsyncIterator[Sequence[bytes]]:
        """Yields the lines of a stream as they arrive. Raises StatusError for an error response, ConnectionError
        for an upgrade or a proxied request."""
        info = request_info(request.method, request.path, request.query)
        outcome = await self._core.handle(request, info, self._user)
        if isinstance(outcome, Upgrade | Forward):
            raise ConnectionError("a WebSocket or proxied request needs a real connection")
        if isinstance(outcome, Response):
            if outcome.status != 200:
                raise decode_status_error(outcome.status, outcome.body)
            yield outcome.body.splitlines()
            return
        ended = self._core.streaming(info, outcome)
        splitter = LineSplitter()
        try:
            while pieces := await outcome.next():
                if lines := [line for piece in pieces for line in splitter.feed(piece)]:
                    yield lines
        finally:
            ended(200)
            outcome.close()
