"""The same requests over a real connection, and malformed HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import io
import random
import socket
from dataclasses import dataclass, field
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from fairlead.runtime.client import Request, Response
from tests.fuzz.check import Fuzz
from tests.fuzz.requests import Requests

_RAW = (
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nContent-Length: 11\r\n\r\n",
    b"POST /api/v1/namespaces/default/services HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /api/v1/namespaces/default/services HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n{",
    b"GET /api/v1/services HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET " + b"/a" * 40000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /api/v1/services?watch=true HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
)


@dataclass
class HttpFuzz(Fuzz):
    sent: list[int] = field(default_factory=list)

    async def run(self, count: int) -> None:
        from fairlead.store.memory import MemoryStore

        self.store = MemoryStore()
        self.server = await self.started()
        sock = socket.create_server(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        await self.server.serve([sock], None)
        try:
            token = await self._token()
            timeout = aiohttp.ClientTimeout(total=20)
            async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
                requests = Requests(random.Random(self.seed))
                for number in range(count):
                    await self._ask(session, port, token, requests.next(), number)
                    if number % 50 == 0:
                        await self._send_raw(port, _RAW[number // 50 % len(_RAW)])
        finally:
            await self.server.stop()

    async def _token(self) -> str:
        account = b'{"metadata":{"name":"fuzz"}}'
        path = "/api/v1/namespaces/default/serviceaccounts"
        headers = {"content-type": "application/json"}
        await self.send(Request("POST", path, {}, headers, account))
        binding = {
            "metadata": {"name": "fuzz"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "ServiceAccount", "namespace": "default", "name": "fuzz"}],
        }
        bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
        bound = await self.send(Request("POST", bindings, {}, headers, msgspec.json.encode(binding)))
        assert bound is not None
        assert bound.status == 201, bound.body
        answer = await self.send(Request("POST", f"{path}/fuzz/token", {}, headers, b"{}"))
        assert answer is not None
        token: str = msgspec.json.decode(answer.body)["status"]["token"]
        return token

    async def _ask(self, session: aiohttp.ClientSession, port: int, token: str, request: Request, number: int) -> None:
        path = quote(request.path.encode("utf-8", "surrogatepass"), safe="/:")
        query = "&".join(f"{k}={quote(v)}" for k, v in request.query.items() if k not in ("watch", "sendInitialEvents"))
        url = URL(f"http://127.0.0.1:{port}{path}?{query}", encoded=True)
        headers = {k: v for k, v in request.headers.items() if v} | {"Authorization": f"Bearer {token}"}
        if "/watch/" in path:
            return
        try:
            async with session.request(
                request.method, url, headers=headers, data=io.BytesIO(request.body) if request.body else None
            ) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as e:
            self.problem(f"no answer: {e!r}", request, number)
            return
        self.statuses[answer.status] += 1
        if request.method in ("HEAD", "OPTIONS") or answer.status == 301:
            return
        wrong = self.wrong(Response(answer.status, body, {"content-type": answer.content_type}))
        if wrong:
            self.problem(f"{wrong}: {answer.status} {body[:300]!r}", request, number)

    async def _send_raw(self, port: int, data: bytes) -> None:
        """Sends bytes and accepts any answer: only a hang is a fault here, and the log shows the others."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        with contextlib.suppress(TimeoutError, OSError):
            await asyncio.wait_for(reader.read(1000), 0.05)
        writer.close()


def fuzz_http(count: int, seed: int) -> HttpFuzz:
    fuzz = HttpFuzz(seed)
    asyncio.run(fuzz.run(count))
    return fuzz
