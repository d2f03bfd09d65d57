"""Calls webhooks: POST of JSON over TLS, to a Service's endpoint or a URL.

What must stay true: a server that hangs, dies or answers without end costs the requests that call it, and nothing
else; each call ends at its time-out, and an answer has a greatest size. HTTP proxies of the environment are not used,
redirects are not followed, and no credentials are sent.

Connections are kept and used again for the same endpoint and certificates. A Service is resolved for each call, so a
connection to an endpoint that has left the Service is not used any more; upstream uses it until it breaks.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import TYPE_CHECKING

from fairlead.apiserver.webhook.model import CallError, WebhookTarget
from fairlead.apiserver.webhook.services import ServiceResolver
from fairlead.apiserver.webhook.status import failure_text
from fairlead.apiserver.webhook.tls import client_context

if TYPE_CHECKING:
    from fairlead.apiserver.webhook.https import HttpsClient

MOST_BYTES = 16 << 20
"""Greatest size of an answer, in bytes, unless the caller says otherwise."""
_MOST_BUNDLES = 200
"""Greatest number of TLS contexts that are kept, as upstream keeps clients."""


class WebhookCaller:
    """Calls webhooks over kept connections, until `close`."""

    def __init__(self, services: ServiceResolver) -> None:
        self._services = services
        self._context = lru_cache(maxsize=_MOST_BUNDLES)(client_context)
        self._https: HttpsClient | None = None

    async def post(
        self, target: WebhookTarget, body: bytes, *, timeout_s: float, most_bytes: int = MOST_BYTES
    ) -> bytes:
        """Returns the body of the answer, whose status was a success. Raises CallError."""
        url = _with_timeout(target.full_url, timeout_s)
        try:
            address = self._services.resolve(target.service) if target.service is not None else None
            tls = self._context(target.ca_bundle)
        except (CallError, ValueError) as e:
            raise CallError(f'Post "{url}": {e}') from e
        try:
            async with asyncio.timeout(timeout_s):
                answer = await self._client().post(url, body, address=address, tls=tls, most_bytes=most_bytes)
        except TimeoutError as e:
            raise CallError(f'Post "{url}": context deadline exceeded', timed_out=True) from e
        if not 200 <= answer.status <= 206:
            raise CallError(failure_text(answer.status, answer.body, answer.headers.get("content-type", "")))
        return answer.body

    async def close(self) -> None:
        """Closes all connections; calls that are under way fail."""
        if self._https is not None:
            await self._https.close()
            self._https = None

    def _client(self) -> HttpsClient:
        if self._https is None:
            from fairlead.apiserver.webhook.https import HttpsClient  # imported on demand: not needed to become ready

            self._https = HttpsClient()
        return self._https


def _with_timeout(url: str, timeout_s: float) -> str:
    """Returns the URL with the time-out as upstream announces it to the server, in whole seconds."""
    return f"{url}{'&' if '?' in url else '?'}timeout={max(1, -int(-timeout_s // 1))}s"
