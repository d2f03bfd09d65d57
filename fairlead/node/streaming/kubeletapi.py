"""The node's own API on port 10250: container logs, exec, attach, port-forward and usage, for the API server alone.

The TLS context of the settings requires a client certificate. A client with a certificate of the cluster's authority
and the API server's name for nodes may ask for anything here; other nodes' agents may ask for the revision that the
proxies have applied.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, cast

from aiohttp import web

from fairlead.base.clock import Clock
from fairlead.base.instant import Instant, parse_time
from fairlead.base.numbers import integer
from fairlead.machinery.values.query import flag
from fairlead.node.draining.model import Traffic
from fairlead.node.draining.run import ANSWER_S, PATH
from fairlead.node.runtime.agent.zygoteclient import ZygoteClient
from fairlead.node.runtime.logs.logread import LogQuery, read_log
from fairlead.node.settings import NodeSettings
from fairlead.node.streaming.nodeinfo import NodeInfo
from fairlead.node.streaming.nodelogs import Folder, LogPath, NodeLogs, render_folder
from fairlead.node.streaming.target import NodePods, StreamedPod
from fairlead.runtime import serving

if TYPE_CHECKING:
    from fairlead.node.streaming.sessions import Sessions
    from fairlead.node.usage.traffic import TrafficMeter

_STOP_S = 1.0
CLIENT_NAME = "kube-apiserver-kubelet-client"
NODE_PREFIX = "system:node:"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Part = Callable[[], Awaitable[str]]


class KubeletApi:
    def __init__(  # noqa: PLR0913 -- one value for each group of paths
        self,
        settings: NodeSettings,
        pods: NodePods,
        info: NodeInfo,
        *,
        end_deleted: Callable[[], Awaitable[None]],
        zygote: ZygoteClient,
        traffic: Traffic,
        parts: Mapping[str, Part],
        clock: Clock,
    ) -> None:
        """`parts` has further texts by path, from the other parts of the node's process."""
        self._settings = settings
        self._pods = pods
        self._info = info
        self._end_deleted = end_deleted
        self._zygote = zygote
        self._traffic = traffic
        self._parts = parts
        self._pod_traffic: TrafficMeter | None = None
        self._clock = clock

    async def serve(self) -> None:
        """Serves on the node's address until cancelled."""
        settings = self._settings
        app = web.Application(middlewares=[_only_the_api_server])
        app.router.add_get("/healthz", _healthz)
        app.router.add_get("/logs", _to_folder)
        app.router.add_get("/logs/{path:.*}", self._node_logs)
        app.router.add_get(PATH, self._applied)
        app.router.add_post("/endDeletedPods", self._end_deleted_pods)
        for path in ("/healthz/ping", "/healthz/log", "/healthz/syncloop"):
            app.router.add_get(path, _healthz)
        self._info.add_routes(app.router)
        app.router.add_get("/stats/traffic", self._pod_counters)
        for path in self._parts:
            app.router.add_get(path, self._part)
        app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", self._logs)
        for method in ("GET", "POST"):
            app.router.add_route(method, "/exec/{namespace}/{pod}/{container}", self._exec)
            app.router.add_route(method, "/attach/{namespace}/{pod}/{container}", self._attach)
            app.router.add_route(method, "/portForward/{namespace}/{pod}", self._port_forward)
        app.router.add_get("/try/{namespace}/{pod}", self._try)
        runner = web.AppRunner(app, handler_cancellation=True)
        await runner.setup()
        assert runner.server is not None
        server = serving.HttpServer(runner.server, tls=settings.kubelet_tls)
        try:
            family = socket.AF_INET6 if ":" in settings.ip else socket.AF_INET
            await server.start([socket.create_server((settings.ip, settings.kubelet_port), family=family)])
            await asyncio.Future()
        finally:
            await server.stop(_STOP_S)
            await runner.cleanup()

    def _worker(self, request: web.Request) -> StreamedPod:
        where = request.match_info
        worker = self._pods.find(where["namespace"], where["pod"])
        if worker is None:
            raise web.HTTPNotFound(text=f'pod "{where["pod"]}" is not on this node')
        return worker

    async def _applied(self, request: web.Request) -> web.Response:
        """Waits until this node's proxies follow the revision, and says which one they follow."""
        try:
            revision = integer(request.query.get("revision", ""))
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"revision: {error}") from error
        return web.json_response({"revision": await self._traffic.applied(revision, ANSWER_S)})

    async def _end_deleted_pods(self, _: web.Request) -> web.Response:
        """Kills the Pods that are gone from the API; answers when they have ended."""
        await self._end_deleted()
        return web.Response()

    async def _pod_counters(self, _: web.Request) -> web.Response:
        if self._pod_traffic is None:
            from fairlead.node.usage.traffic import TrafficMeter, read_devices

            self._pod_traffic = TrafficMeter(self._zygote, clock=self._clock, read_devices=read_devices)
        return web.json_response(await self._pod_traffic.measure())

    async def _part(self, request: web.Request) -> web.Response:
        return web.Response(text=await self._parts[request.path]())

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

    async def _node_logs(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        target = NodeLogs(self._settings.state_dir, self._settings.own_log).find(
            [part for part in path.split("/") if part]
        )
        match target:
            case LogPath(where):
                return web.FileResponse(where, headers={"Content-Type": "text/plain; charset=utf-8"})
            case Folder() if path and not path.endswith("/"):
                return await _to_folder(request)
            case Folder():
                return web.Response(text=render_folder(target), content_type="text/html")
            case None:
                raise web.HTTPNotFound(text="404 page not found\n")

    def _log_query(self, request: web.Request) -> LogQuery:
        given = request.query
        since: Instant | None = None
        if given.get("sinceSeconds"):
            since = Instant(self._clock.now() - integer(given["sinceSeconds"]))
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
        return await self._sessions().execute(request, self._worker(request))

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        return await self._sessions().attach(request, self._worker(request))

    async def _try(self, request: web.Request) -> web.Response:
        return await self._sessions().try_connections(request, self._worker(request))

    async def _port_forward(self, request: web.Request) -> web.StreamResponse:
        return await self._sessions().forward_ports(request, self._worker(request))

    def _sessions(self) -> Sessions:
        """Imports the modules of sessions at the first one: 0.3 MB that most clusters do not need."""
        from fairlead.node.streaming.sessions import Sessions

        return Sessions(self._zygote, idle_s=self._settings.streaming_idle_s)


async def _to_folder(request: web.Request) -> web.Response:
    """Redirects to the path with a slash at its end: a folder's page has relative links."""
    return web.Response(status=301, headers={"Location": f"{request.path.rpartition('/')[2]}/"})


@web.middleware
async def _only_the_api_server(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Allows the API server only. The TLS layer has checked the certificate; this checks its name. Without TLS (tests)
    nothing is checked."""
    certificate = request.transport.get_extra_info("peercert") if request.transport else None
    if certificate is not None:
        names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
        is_node = request.path == PATH and all(name.startswith(NODE_PREFIX) for name in names)
        if names != [CLIENT_NAME] and not request.path.startswith("/healthz") and not is_node:
            raise web.HTTPForbidden(text="only the API server may ask this")
        if names == [CLIENT_NAME]:
            cast(serving.Handler, request.protocol).authenticated(CLIENT_NAME)
    return await handler(request)


async def _healthz(_: web.Request) -> web.Response:
    return web.Response(text="ok")
