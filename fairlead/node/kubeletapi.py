"""The node's own API on port 10250: container logs, exec and attach, for the API server alone.

TLS with a client certificate is required by the context that the settings bring; whoever has one of the cluster's
authority with the API server's name for nodes may ask for anything here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from aiohttp import web

from fairlead.base.instant import Instant, parse_time
from fairlead.base.numbers import integer
from fairlead.machinery.query import flag
from fairlead.node.attachsession import AttachRequest, AttachSession
from fairlead.node.execsession import PROTOCOLS, ExecRequest, ExecSession
from fairlead.node.logread import LogQuery, read_log
from fairlead.node.shared import Shared
from fairlead.node.worker import PodWorker
from fairlead.node.zygoteclient import ZygoteError

CLIENT_NAME = "kube-apiserver-kubelet-client"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
FindPod = Callable[[str, str], PodWorker | None]
"""By namespace and name."""


class KubeletApi:
    def __init__(self, shared: Shared, find: FindPod) -> None:
        self._shared = shared
        self._find = find

    async def run(self) -> None:
        """Serves for ever on the node's address."""
        settings = self._shared.settings
        app = web.Application(middlewares=[_only_the_api_server])
        app.router.add_get("/healthz", _healthz)
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        app.router.add_get("/exec/{namespace}/{pod}/{container}", self._exec)
        app.router.add_get("/attach/{namespace}/{pod}/{container}", self._attach)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1.0)
        await runner.setup()
        try:
            site = web.TCPSite(
                runner,
                settings.ip,
                settings.kubelet_port,
                ssl_context=settings.kubelet_tls,
                reuse_address=True,
            )
            await site.start()
            await asyncio.Future()
        finally:
            await runner.cleanup()

    def _worker(self, request: web.Request) -> PodWorker:
        where = request.match_info
        worker = self._find(where["namespace"], where["pod"])
        if worker is None:
            raise web.HTTPNotFound(text=f'pod "{where["pod"]}" is not on this node')
        return worker

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        worker, container = self._worker(request), request.match_info["container"]
        try:
            query = self._log_query(request)
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        previous = flag(request.query, "previous")
        path = worker.log_file(container, previous=previous)
        if path is None:
            pod = request.match_info["pod"]
            what = f'previous terminated container "{container}" in pod "{pod}" not found'
            raise web.HTTPBadRequest(
                text=what if previous else f'container "{container}" in pod "{pod}" has no log yet'
            )
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            async for chunk in read_log(path, query, growing=lambda: worker.log_grows(container, path)):
                await response.write(chunk)
            await response.write_eof()
        return response

    def _log_query(self, request: web.Request) -> LogQuery:
        given = request.query
        since: Instant | None = None
        if given.get("sinceSeconds"):
            since = Instant(self._shared.clock.now() - integer(given["sinceSeconds"]))
        elif given.get("sinceTime"):
            since = parse_time(given["sinceTime"])
        return LogQuery(
            follow=flag(given, "follow"),
            tail=integer(given["tailLines"]) if given.get("tailLines") else None,
            limit_bytes=integer(given["limitBytes"]) if given.get("limitBytes") else None,
            since=since,
            timestamps=flag(given, "timestamps"),
            stream={"Stdout": "stdout", "Stderr": "stderr"}.get(given.get("stream", ""), ""),
        )

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        worker, given = self._worker(request), request.query
        container_id = worker.container_id(request.match_info["container"])
        if not container_id:
            raise web.HTTPBadRequest(text=f"container not found ({request.match_info['container']!r})")
        ws = _web_socket(request)
        await ws.prepare(request)
        tty = flag(given, "tty")
        wanted = ExecRequest(
            container_id=container_id,
            command=given.getall("command", []),
            stdin=flag(given, "stdin"),
            stdout=flag(given, "stdout"),
            stderr=flag(given, "stderr") and not tty,
            tty=tty,
        )
        await ExecSession(ws, self._shared.zygote, self._shared.exits, id_=self._shared.new_id()).run(wanted)
        return ws

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        worker, given, where = self._worker(request), request.query, request.match_info
        wanted = AttachRequest(
            container_id=worker.container_id(where["container"]),
            stdin=flag(given, "stdin"),
            stdout=flag(given, "stdout"),
            stderr=flag(given, "stderr"),
        )
        if not (wanted.stdin or wanted.stdout or wanted.stderr):
            raise web.HTTPBadRequest(text="you must specify at least 1 of stdin, stdout, stderr")
        ws = _web_socket(request)
        try:
            attachment = await self._shared.zygote.attach(wanted.container_id, stdin=wanted.stdin)
        except ZygoteError as error:
            text = f"container {where['container']} not found in pod {where['pod']}_{where['namespace']}"
            raise web.HTTPBadRequest(text=text) from error
        session = AttachSession(ws, self._shared.zygote, attachment)
        try:
            await ws.prepare(request)
        except BaseException:
            session.close()
            raise
        await session.run(wanted)
        return ws


def _web_socket(request: web.Request) -> web.WebSocketResponse:
    ws = web.WebSocketResponse(protocols=PROTOCOLS, compress=False, max_msg_size=0)
    if not ws.can_prepare(request).ok:
        raise web.HTTPBadRequest(text="this is a WebSocket; ask for v5.channel.k8s.io or v4.channel.k8s.io")
    return ws


@web.middleware
async def _only_the_api_server(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The TLS layer has checked the certificate; here is asked whose it is. Without TLS (tests) nobody is asked."""
    certificate = request.transport.get_extra_info("peercert") if request.transport else None
    if certificate is not None:
        names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
        if names != [CLIENT_NAME] and request.path != "/healthz":
            raise web.HTTPForbidden(text="only the API server may ask this")
    return await handler(request)


async def _healthz(_: web.Request) -> web.Response:
    return web.Response(text="ok")
