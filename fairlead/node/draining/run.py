"""Asks the agent of another node, over the nodes' own API, which revision its proxies have applied."""

from __future__ import annotations

import json
import ssl

from fairlead.runtime.client import Request
from fairlead.runtime.http import HttpTransport

PATH = "/fairlead/applied"
ANSWER_S = 1.0
"""Seconds within which a node must answer."""


class PeerClient:
    """Implements `Ask`. Keeps a connection to each node that it was ever asked for."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._transports: dict[str, HttpTransport] = {}

    async def __call__(self, address: str, revision: int) -> int:
        transport = self._transports.get(address)
        if transport is None:
            transport = self._transports[address] = HttpTransport(f"https://{address}", ssl_context=self._tls)
        answer = await transport.request(Request("GET", PATH, {"revision": str(revision)}, {}))
        try:
            if answer.status != 200:
                raise ConnectionError(f"{address} answered {answer.status}")
            return int(json.loads(answer.body)["revision"])
        except (ValueError, KeyError, TypeError) as error:
            raise ConnectionError(f"{address} answered nonsense") from error

    async def close(self) -> None:
        for transport in self._transports.values():
            await transport.close()
