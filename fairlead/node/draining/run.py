"""The question to another node's agent, over the nodes' own API."""

from __future__ import annotations

import json
import ssl

from fairlead.runtime.client import Request
from fairlead.runtime.http import HttpTransport

PATH = "/fairlead/applied"
ANSWER_S = 1.0
"""Seconds within which a node must answer."""


class Asker:
    """Implements `Ask`. Keeps a connection to each node that it was ever asked for."""

    def __init__(self, tls: ssl.SSLContext) -> None:
        self._tls = tls
        self._lines: dict[str, HttpTransport] = {}

    async def __call__(self, address: str, revision: int) -> int:
        line = self._lines.get(address)
        if line is None:
            line = self._lines[address] = HttpTransport(f"https://{address}", ssl_context=self._tls)
        answer = await line.request(Request("GET", PATH, {"revision": str(revision)}, {}))
        try:
            if answer.status != 200:
                raise ConnectionError(f"{address} answered {answer.status}")
            return int(json.loads(answer.body)["revision"])
        except (ValueError, KeyError, TypeError) as error:
            raise ConnectionError(f"{address} answered nonsense") from error

    async def close(self) -> None:
        for line in self._lines.values():
            await line.close()
