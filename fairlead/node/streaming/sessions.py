"""The sessions that the node's API opens in a Pod: exec, attach, port-forward and trial connections.

Imported at the first session.
"""

from __future__ import annotations

import os

from aiohttp import web

from fairlead.machinery.values.query import flag
from fairlead.node.runtime.agent.zygoteclient import ZygoteClient, ZygoteError
from fairlead.node.streaming.attachsession import AttachRequest, AttachSession
from fairlead.node.streaming.connect import PortTarget, serve_command, serve_ports
from fairlead.node.streaming.dial import dial
from fairlead.node.streaming.execsession import ExecRequest, ExecSession
from fairlead.node.streaming.peers import Peer
from fairlead.node.streaming.remotecommand import StreamOptions
from fairlead.node.streaming.target import StreamedPod


class Sessions:
    """Serves the requests for sessions in Pods of one node. Each method raises web.HTTPException."""

    def __init__(self, zygote: ZygoteClient, *, idle_s: float) -> None:
        self._zygote = zygote
        self._idle_s = idle_s

    async def execute(self, request: web.Request, pod: StreamedPod) -> web.StreamResponse:
        container = request.match_info["container"]
        container_id = pod.container_id(container)
        if not container_id:
            raise web.HTTPBadRequest(text=f'container not found ("{container}")')
        asked = ExecRequest(container_id, request.query.getall("command", []), _streams(request))

        async def serve(peer: Peer) -> None:
            await ExecSession(peer, self._zygote).serve(asked)

        return await serve_command(request, asked.options, serve, idle_s=self._idle_s)

    async def attach(self, request: web.Request, pod: StreamedPod) -> web.StreamResponse:
        where = request.match_info
        asked = AttachRequest(pod.container_id(where["container"]), _streams(request))
        try:
            attachment = await self._zygote.attach(asked.container_id, stdin=asked.options.stdin)
        except ZygoteError as error:
            text = f"container {where['container']} not found in pod {where['pod']}_{where['namespace']}"
            raise web.HTTPBadRequest(text=text) from error
        session = AttachSession(self._zygote, attachment)
        try:
            return await serve_command(
                request, asked.options, lambda peer: session.serve(peer, asked), idle_s=self._idle_s
            )
        finally:
            session.close()

    async def try_connections(self, request: web.Request, pod: StreamedPod) -> web.Response:
        """Answers what becomes of each `to=ADDRESS,PORT[,PROTOCOL[,BYTES]]` of the query, tried from the Pod."""
        from fairlead.node.streaming.trying import try_all

        netns = await self._netns(pod, pod.uid)
        try:
            return web.json_response(await try_all(netns, request.query.getall("to", [])))
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"to: {error}") from error
        finally:
            os.close(netns)

    async def forward_ports(self, request: web.Request, pod: StreamedPod) -> web.StreamResponse:
        where = request.match_info
        netns = await self._netns(pod, where["pod"])
        try:
            target = PortTarget(f"{where['pod']}_{where['namespace']}", pod.uid, lambda port: dial(netns, port))
            return await serve_ports(request, target, idle_s=self._idle_s)
        finally:
            os.close(netns)

    async def _netns(self, pod: StreamedPod, name: str) -> int:
        """Returns a descriptor of the Pod's network namespace; the caller closes it."""
        try:
            return await self._zygote.netns(pod.uid)
        except ZygoteError as error:
            raise web.HTTPBadRequest(text=f'pod "{name}" has no network on this node') from error


def _streams(request: web.Request) -> StreamOptions:
    """Returns the streams that the query asks for. Raises web.HTTPBadRequest if there are none."""
    stdin, stdout, stderr, tty = (flag(request.query, name) for name in ("stdin", "stdout", "stderr", "tty"))
    if not (stdin or stdout or stderr):
        raise web.HTTPBadRequest(text="you must specify at least 1 of stdin, stdout, stderr")
    return StreamOptions(stdin=stdin, stdout=stdout, stderr=stderr and not tty, tty=tty)
