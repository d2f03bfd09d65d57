"""HTTP GET requests of probes and lifecycle hooks.

What must stay true: certificates are not checked, the environment's proxies are not used and cookies are not stored;
every request has its own connection; a redirect is followed to the same host only, at most ten requests in all; at most
10 KiB of a body are read. The client is aiohttp, which the agent has loaded for the API server. Rejected: h11, which
leaves addresses, TLS and redirects to us.
"""

from __future__ import annotations

import re
import ssl
from urllib.parse import quote, unquote_to_bytes

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from fairlead.api.core.pod.containers.container import Container
from fairlead.api.core.pod.containers.probe import HTTPGetAction
from fairlead.api.meta.columns import join_host_port
from fairlead.base.dataclass import dataclass
from fairlead.node.probes.address import dial_text, resolve_port

MAX_BODY = 10 << 10
_MAX_LINE = 1 << 20
"""The most bytes of a response's status line or header; servers send more than aiohttp's default of 8 KiB."""
_MAX_REQUESTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_BROKEN_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})|[\x00-\x1f\x7f]")
_VALID_PATH = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@\[\]/%]*")
_OWN_HEADERS = ("Host", "Content-Length", "Transfer-Encoding", "Trailer")
"""Set by the client alone, as in Go's net/http; Host is sent in another way."""
_NOT_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}
"""The names of OpenSSL 1.1 to 3.5 for data that is not a TLS record."""


class GetError(Exception):
    """No response; the text begins with the method and the URL."""


class PlainResponseError(GetError):
    """The server does not speak TLS."""


class BodyError(Exception):
    """The response's body could not be read."""


@dataclass(frozen=True, slots=True)
class GetRequest:
    """One request, before redirects."""

    url: URL
    headers: CIMultiDict[str]

    def plain(self) -> GetRequest:
        """Returns the same request without TLS, and without credentials."""
        headers = self.headers.copy()
        headers.popall("Authorization", None)
        return GetRequest(URL(str(self.url.with_scheme("http")), encoded=True), headers)


@dataclass(frozen=True, slots=True)
class GetResponse:
    status: int
    body: str
    """The body, at most MAX_BODY bytes of it."""


def request_of(action: HTTPGetAction, container: Container, ip: str, agent: str) -> GetRequest:
    """Returns the request that an action describes. Raises PortError."""
    port = resolve_port(action.port, container)
    scheme = (action.scheme or "HTTP").lower()
    address = join_host_port(action.host or ip, port)
    url = URL(f"{scheme}://{address}{_target(action.path)}", encoded=True)
    return GetRequest(url, _headers(action, address, agent))


def _headers(action: HTTPGetAction, address: str, agent: str) -> CIMultiDict[str]:
    # In one spelling, as Go's net/http has it; aiohttp keeps only the last of two that differ in case.
    headers = CIMultiDict(
        ("-".join(word.capitalize() for word in h.name.split("-")), h.value) for h in action.httpHeaders
    )
    host = headers.get("Host") or address
    for name in _OWN_HEADERS:
        headers.popall(name, None)
    headers.setdefault("User-Agent", f"{agent}/1.36")
    headers.setdefault("Accept", "*/*")
    for name in ("User-Agent", "Accept"):
        if not headers[name]:
            headers.popall(name)
    return CIMultiDict([("Host", host), *headers.items()])


def _target(path: str) -> str:
    """Returns path and query as they stand in the request line; an invalid path is escaped as a whole."""
    if _BROKEN_PERCENT.search(path):
        return _rooted(quote(path, safe="/$&+,:;=@"))
    path, _, _ = path.partition("#")
    path, mark, query = path.partition("?")
    if path.startswith("//"):
        # What stands there is a host, and the action has one.
        path = "/" + path[2:].partition("/")[2]
    if not _VALID_PATH.fullmatch(path):
        path = quote(unquote_to_bytes(path), safe="/$&+,:;=@")
    return _rooted(path) + mark + quote(query, safe="".join(map(chr, range(0x21, 0x7F))))


def _rooted(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"


async def get(request: GetRequest) -> GetResponse:
    """Returns the response after redirects. Raises GetError or BodyError."""
    url, headers = request.url, request.headers
    connector = aiohttp.TCPConnector(ssl=_trusting() if url.scheme == "https" else True, force_close=True)
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        auto_decompress=False,
        max_line_size=_MAX_LINE,
        max_field_size=_MAX_LINE,
        timeout=aiohttp.ClientTimeout(total=None),
    ) as session:
        for _ in range(_MAX_REQUESTS):
            response = await _one(session, url, headers)
            if isinstance(response, GetResponse):
                return response
            headers = _redirected(headers, url, response)
            url = _resolved(url, response)
    raise GetError(f'Get "{response}": stopped after {_MAX_REQUESTS} redirects')


async def _one(session: aiohttp.ClientSession, url: URL, headers: CIMultiDict[str]) -> GetResponse | str:
    """Returns the response, or the Location to follow."""
    trust = _trusting() if url.scheme == "https" else True
    try:
        response = await session.get(url, headers=headers, allow_redirects=False, ssl=trust)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        kind, why = _why(url, error)
        raise kind(f'Get "{url}": {why}') from error
    async with response:
        location = response.headers.get("Location", "")
        if response.status in _REDIRECTS and location and _resolved(url, location).host == url.host:
            return location
        return GetResponse(response.status, await _body(response))


def _resolved(url: URL, location: str) -> URL:
    try:
        target = url.join(URL(location, encoded=True)).with_fragment(None)
        known = target.scheme in ("http", "https")
    except ValueError as error:
        raise GetError(f'Get "{url}": failed to parse Location header "{location}": {error}') from error
    if not known and target.host == url.host:
        raise GetError(f'Get "{location}": unsupported protocol scheme "{target.scheme}"')
    return target


def _redirected(headers: CIMultiDict[str], url: URL, location: str) -> CIMultiDict[str]:
    """Returns the headers for the next request: a Host that the action set stays on for a relative Location."""
    target = URL(location, encoded=True)
    if not target.absolute:
        return headers
    changed = headers.copy()
    changed["Host"] = _resolved(url, location).authority
    return changed


async def _body(response: aiohttp.ClientResponse) -> str:
    body = bytearray()
    try:
        while len(body) < MAX_BODY and (part := await response.content.read(MAX_BODY - len(body))):
            body += part
    except aiohttp.ClientError as error:
        raise BodyError("unexpected EOF") from error
    return body.decode(errors="replace")


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _why(url: URL, error: Exception) -> tuple[type[GetError], str]:
    host, port = url.host or "", url.port or 0
    match error:
        case aiohttp.ClientConnectorDNSError():
            return GetError, f"dial tcp: lookup {host}: no such host"
        case aiohttp.ClientConnectorError() if isinstance(error.os_error, ssl.SSLError):
            if error.os_error.reason in _NOT_TLS:
                return PlainResponseError, "http: server gave HTTP response to HTTPS client"
            return GetError, f"remote error: tls: {error.os_error.reason}"
        case aiohttp.ClientConnectorError():
            return GetError, dial_text(host, port, error.os_error)
        case aiohttp.ServerDisconnectedError():
            return GetError, "EOF"
        case aiohttp.ClientResponseError():
            return GetError, "net/http: HTTP/1.x transport connection broken: malformed HTTP response"
        case OSError():
            return GetError, f"read tcp {join_host_port(host, port)}: {(error.strerror or str(error)).lower()}"
        case _:
            return GetError, str(error)
