"""Connections to a Pod's node: logs as a stream; exec, attach and port-forward as connections that the edge hands
over.

The node's kubelet API listens on its internal address and demands our client certificate.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

from fairlead.api.core.node.kind import NODE, Node
from fairlead.api.core.pod.kind import Pod
from fairlead.apiserver.connect.podlogs import check_started, choose_container
from fairlead.apiserver.model import Forward, Outcome, Upgrade
from fairlead.apiserver.serialization.subprotocols import wants_upgrade
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.watchcache.target import Target
from fairlead.base.numbers import integer
from fairlead.machinery.values.status import (
    FieldError,
    StatusError,
    bad_request,
    internal_error,
    invalid,
    invalid_object,
    no_such_resource,
)
from fairlead.runtime.client import Request, Response

PORT = 10250
_ON_NODE = {"exec": "exec", "attach": "attach", "portforward": "portForward"}
"""Path of the kubelet API by the Pod's subresource."""
_CONNECT_S = 3.0
_READ_TIMEOUT = aiohttp.ClientTimeout(total=5.0, sock_connect=_CONNECT_S)
_END_TIMEOUT = aiohttp.ClientTimeout(total=30.0, sock_connect=_CONNECT_S)
_TEXT = {"content-type": "text/plain"}
_COUNTS = {"tailLines": 0, "limitBytes": 1, "sinceSeconds": 1}
_REASONS = {403: "Forbidden", 405: "MethodNotAllowed"}


class Kubelet:
    """The client of the nodes' kubelet APIs."""

    def __init__(self, resources: Resources, *, tls: ssl.SSLContext | None) -> None:
        self._nodes = resources.of(NODE)
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def handle(self, target: Target, request: Request) -> Outcome:
        """Answers `log`, `exec`, `attach` and `portforward` of a Pod. Raises StatusError 400, 404, 503."""
        pod: Pod = target.resource.find(target.namespace, target.name).decode()
        if target.subresource == "log":
            return await self._log(pod, request)
        return self._join(pod, target.subresource, request)

    async def _log(self, pod: Pod, request: Request) -> Outcome:
        container = choose_container(pod, request.query.get("container", ""))
        _check_log_options(pod, request.query)
        if not pod.spec.nodeName:
            return Response(200, b"", _TEXT)
        check_started(pod, container)
        query = [(key, value) for key, value in request.query.items() if key != "container"]
        node = self._node(pod.spec.nodeName)
        url = f"{node.scheme}://{node.authority}{_path('containerLogs', pod, container, query)}"
        return await self._stream(url, pod.metadata.name)

    def _join(self, pod: Pod, what: str, request: Request) -> Upgrade:
        query = [(key, value) for key, value in request.query.items() if key != "container"]
        if what == "exec" and not any(key == "command" for key, _ in query):
            raise bad_request("you must specify at least 1 command for the container")
        container = "" if what == "portforward" else choose_container(pod, request.query.get("container", ""))
        if not pod.spec.nodeName:
            raise bad_request(f"pod {pod.metadata.name} does not have a host assigned")
        if what == "portforward" and pod.status.phase != "Running":
            raise bad_request(f"unable to forward port because pod is not running. Current status={pod.status.phase}")
        if not wants_upgrade(request.headers):
            raise bad_request("Upgrade request required")
        return Upgrade(self._node(pod.spec.nodeName), _path(_ON_NODE[what], pod, container, query))

    async def read(self, node: str, path: str) -> bytes:
        """Returns the body of a path of a node's kubelet API. Raises StatusError."""
        to = self._node(node)
        url = f"{to.scheme}://{to.authority}{path}"
        try:
            async with self.session().get(URL(url, encoded=True), timeout=_READ_TIMEOUT) as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError) as e:
            raise unreachable(url, e) from e
        if response.status != 200:
            raise internal_error(body.decode("utf-8", "replace").strip())
        return body

    async def end_deleted_pods(self, node: str) -> None:
        """Makes a node kill the Pods that are gone from the API; returns when they have ended. Raises StatusError."""
        to = self._node(node)
        url = f"{to.scheme}://{to.authority}/endDeletedPods"
        try:
            async with self.session().post(URL(url, encoded=True), timeout=_END_TIMEOUT) as response:
                body = await response.read()
        except (aiohttp.ClientError, TimeoutError) as e:
            raise unreachable(url, e) from e
        if response.status != 200:
            raise internal_error(body.decode("utf-8", "replace").strip())

    def _node(self, name: str) -> Forward:
        node: Node = self._nodes.find("", name).decode()
        address = next((a.address for a in node.status.addresses if a.type == "InternalIP"), "")
        if not address:
            raise bad_request(f'no preferred addresses found; known addresses: [] of node "{name}"')
        port = node.status.daemonEndpoints.kubeletEndpoint.Port or PORT
        return Forward("https" if self._tls else "http", address, port, is_node=True)

    async def _stream(self, url: str, pod: str) -> Outcome:
        try:
            response = await self.session().get(
                URL(url, encoded=True), timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S)
            )
        except (aiohttp.ClientError, TimeoutError) as e:
            raise unreachable(url, e) from e
        if response.status != 200:
            text = (await response.text(errors="replace")).strip()
            raise _refusal(response.status, text, pod)
        return _Stream(response)

    @property
    def tls(self) -> ssl.SSLContext | None:
        """The TLS context of connections to the nodes."""
        return self._tls

    def session(self) -> aiohttp.ClientSession:
        """The HTTP session to the nodes. Raises StatusError 503 if this server has no client certificate."""
        if self._session is None:
            if self._tls is None:
                raise StatusError(503, "ServiceUnavailable", "this server has no client certificate for the nodes")
            connector = aiohttp.TCPConnector(ssl=self._tls, limit=0)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False, trust_env=False)
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


class _Stream:
    """The body of a node's response. Implements `Stream`."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    @property
    def headers(self) -> Mapping[str, str]:
        return _TEXT

    async def next(self) -> Sequence[bytes]:
        try:
            chunk = await self._response.content.readany()
        except (TimeoutError, aiohttp.ClientError):
            chunk = b""
        return (chunk,) if chunk else ()

    def close(self) -> None:
        self._response.close()


def _path(what: str, pod: Pod, container: str, query: Sequence[tuple[str, str]]) -> str:
    parts = filter(None, (what, pod.metadata.namespace, pod.metadata.name, container))
    path = "/" + "/".join(quote(part, safe="") for part in parts)
    return f"{path}?{urlencode(query)}" if query else path


def unreachable(url: str, error: Exception) -> StatusError:
    return StatusError(500, "", f'Get "{url}": {error or type(error).__name__}')


def _refusal(code: int, text: str, pod: str) -> StatusError:
    """Returns a node's refusal to send logs as the API's error."""
    match code:
        case 400:
            return bad_request(text)
        case 404:
            details = {"name": pod, "kind": "pods/log"}
            return StatusError(404, "NotFound", f"{no_such_resource().message} ( pods/log {pod})", details)
        case 403 | 405:
            return StatusError(code, _REASONS[code], text)
        case _:
            return internal_error(text)


def _check_log_options(pod: Pod, query: Mapping[str, str]) -> None:
    errors: list[FieldError] = []
    for name, least in _COUNTS.items():
        if name not in query:
            continue
        try:
            number = integer(query[name])
        except ValueError as e:
            raise bad_request(str(e)) from e
        if number < least:
            errors.append(invalid(name, number, f"must be greater than {'or equal to 0' if least == 0 else '0'}"))
    if query.get("sinceSeconds") and query.get("sinceTime"):
        errors.append(
            FieldError("", "Forbidden", None, "at most one of `sinceTime` or `sinceSeconds` may be specified")
        )
    if errors:
        raise invalid_object("PodLogOptions", "", pod.metadata.name, errors)
