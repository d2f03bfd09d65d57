"""Runs a command in a container through the API server, as `kubectl exec` does (WebSocket, `v5.channel.k8s.io`)."""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path
from urllib.parse import urlencode

from fairlead.base.dataclass import dataclass

_STDOUT, _STDERR, _ERROR = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Outcome:
    stdout: bytes
    stderr: bytes
    failure: str
    """The server's message about the end of the command; empty if the command ended with 0."""


def exec_in_pod(port: int, *, pki: Path, pod: str, command: list[str], namespace: str = "default") -> Outcome:
    query = urlencode([*(("command", part) for part in command), ("stdout", "true"), ("stderr", "true")])
    url = f"https://127.0.0.1:{port}/api/v1/namespaces/{namespace}/pods/{pod}/exec?{query}"
    context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
    context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
    return asyncio.run(_exec(url, context))


async def _exec(url: str, context: ssl.SSLContext) -> Outcome:
    import aiohttp

    parts: dict[int, bytearray] = {_STDOUT: bytearray(), _STDERR: bytearray(), _ERROR: bytearray()}
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, ssl=context, protocols=("v5.channel.k8s.io",), max_msg_size=0) as ws,
        ):
            async for message in ws:
                if message.type is aiohttp.WSMsgType.BINARY and message.data and message.data[0] in parts:
                    parts[message.data[0]] += message.data[1:]
    except aiohttp.ClientError as e:
        return Outcome(b"", b"", str(e))
    return Outcome(bytes(parts[_STDOUT]), bytes(parts[_STDERR]), _failure(bytes(parts[_ERROR])))


def _failure(raw: bytes) -> str:
    if not raw:
        return ""
    status = json.loads(raw)
    return "" if status.get("status") == "Success" else str(status.get("message", "failed"))
