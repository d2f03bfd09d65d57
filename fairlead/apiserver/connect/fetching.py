"""Forwards a request of a component in this process to another server, and returns the whole response.

Clients outside are served by `forward`, which joins the two connections.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairlead.apiserver.connect.proxying import unavailable
from fairlead.apiserver.model import Forward
from fairlead.apiserver.serialization.errors import error_response
from fairlead.runtime.transport import Request, Response

if TYPE_CHECKING:
    import aiohttp

_LONGEST_S = 30.0
_MOST_BYTES = 32 << 20


async def fetch(to: Forward, request: Request) -> Response:
    """Returns the server's response, or a Status 503 if the server does not answer."""
    import aiohttp  # imported on demand: not needed to become ready
    from yarl import URL

    host, _, port = to.authority.rpartition(":")
    url = URL.build(scheme=to.scheme, host=host.strip("[]"), port=int(port), path=request.path, query=request.query)
    headers = [*((k, v) for k, v in request.headers.items() if k in ("accept", "content-type")), *to.headers]
    timeout = aiohttp.ClientTimeout(total=_LONGEST_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as session,
            session.request(
                request.method,
                url,
                data=request.body or None,
                headers=headers,
                ssl=to.tls or True,
                server_hostname=to.server_name,
                allow_redirects=False,
            ) as answer,
        ):
            return await _read(answer)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        text = str(error) or "context deadline exceeded"
        return error_response(unavailable(f"error trying to reach service: dial tcp {to.authority}: {text}"))


async def _read(answer: aiohttp.ClientResponse) -> Response:
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > _MOST_BYTES:
            raise ValueError(f"the response is larger than {_MOST_BYTES} bytes")
    return Response(answer.status, bytes(body), {"content-type": answer.headers.get("Content-Type", "")})
