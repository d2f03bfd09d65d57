"""A registry on loopback for the tests: manifests, blobs with ranges, token and basic authentication, and faults."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import web

from fairlead.images.manifest import OCI_MANIFEST, digest_of
from tests.images.imagemaker import Built

USER, PASSWORD = "ann", "secret"
_BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@dataclass(slots=True)
class Registry:
    """The contents of a registry, and its faults."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    tags: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    """Digest and media type by repository and tag."""
    auth: Literal["", "basic", "bearer"] = ""
    break_after: int = 0
    """Each blob's connection breaks after so many bytes; 0: never."""
    wrong: set[str] = field(default_factory=set)
    """Digests for which it sends other bytes."""
    before_blob: Callable[[str], None] = lambda digest: None
    """Called before a blob is sent, so that tests do something in the middle of a pull."""
    requests: Counter[str] = field(default_factory=Counter)
    port: int = 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def push(self, repository: str, tag: str, image: Built, media_type: str = OCI_MANIFEST) -> str:
        self.blobs |= image.blobs
        return self.push_manifest(repository, tag, image.manifest, media_type)

    def push_manifest(self, repository: str, tag: str, manifest: bytes, media_type: str) -> str:
        digest = digest_of(manifest)
        self.blobs[digest] = manifest
        self.tags[repository, tag] = self.tags[repository, digest] = digest, media_type
        return digest

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/token":
            return self._token(request)
        if refusal := self._refusal(request):
            return refusal
        repository, _, rest = request.path.removeprefix("/v2/").rpartition("/manifests/")
        if repository:
            self.requests[f"manifests/{rest}"] += 1
            return self._manifest(repository, rest)
        digest = request.path.rpartition("/")[2]
        self.requests[digest] += 1
        return await self._blob(request, digest)

    def _token(self, request: web.BaseRequest) -> web.Response:
        self.requests["token"] += 1
        if request.headers.get("Authorization") != _BASIC:
            return web.Response(status=401)
        return web.json_response({"token": f"for {request.query['scope']}"})

    def _refusal(self, request: web.BaseRequest) -> web.Response | None:
        given = request.headers.get("Authorization", "")
        if self.auth == "basic" and given != _BASIC:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="tests"'})
        if self.auth == "bearer" and not given.startswith("Bearer for repository:"):
            challenge = f'Bearer realm="http://{self.host}/token",service="tests"'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        return None

    def _manifest(self, repository: str, target: str) -> web.Response:
        found = self.tags.get((repository, target))
        if found is None and target in self.blobs:
            found = target, OCI_MANIFEST
        if found is None:
            error = {"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}
            return web.json_response({"errors": [error]}, status=404)
        body = self.blobs[found[0]]
        return web.Response(body=b" " + body if found[0] in self.wrong else body, headers={"Content-Type": found[1]})

    async def _blob(self, request: web.BaseRequest, digest: str) -> web.StreamResponse:
        self.before_blob(digest)
        body = self.blobs.get(digest)
        if body is None:
            return web.Response(status=404)
        if digest in self.wrong:
            body = bytes(len(body))
        start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        if start:
            self.requests["resumed"] += 1
        response = web.StreamResponse(status=206 if start else 200)
        response.content_length = len(body) - start
        await response.prepare(request)
        end = start + self.break_after if self.break_after else len(body)
        await response.write(body[start:end])
        if end < len(body) and request.transport is not None:
            request.transport.close()
        return response


@contextmanager
def serving() -> Iterator[Registry]:
    """Serves a registry in a thread with its own loop, as long as the block lasts."""
    registry, ready, loop = Registry(), threading.Event(), asyncio.new_event_loop()
    done = asyncio.Event()

    async def serve() -> None:
        runner = web.ServerRunner(web.Server(registry.handle))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        registry.port = runner.addresses[0][1]
        ready.set()
        await done.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        ready.wait()
        yield registry
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()
        loop.close()
