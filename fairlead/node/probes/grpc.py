"""Calls grpc.health.v1.Health/Check once, for gRPC probes.

`check` imports h2 at its first call: most Pods have no gRPC probe, and h2 takes 10 ms to load. Rejected: grpcio, which
starts its own threads and cannot run on the agent's event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from fairlead.api.meta.columns import join_host_port
from fairlead.base.dataclass import dataclass, field
from fairlead.node.probes.address import dial_text, duration_text
from fairlead.node.probes.health_message import MessageError, parse_status, render_request
from fairlead.node.probes.result import SUCCESS, ProbeResult, failure
from fairlead.runtime.writers import send

if TYPE_CHECKING:
    from h2.connection import H2Connection

_METHOD = "/grpc.health.v1.Health/Check"
_CODES = [
    *("OK", "Canceled", "Unknown", "InvalidArgument", "DeadlineExceeded", "NotFound", "AlreadyExists"),
    *("PermissionDenied", "ResourceExhausted", "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented"),
    *("Internal", "Unavailable", "DataLoss", "Unauthenticated"),
]
_CODE_OF_HTTP = {
    "400": "Internal",
    "401": "Unauthenticated",
    "403": "PermissionDenied",
    "404": "Unimplemented",
    "429": "Unavailable",
    "502": "Unavailable",
    "503": "Unavailable",
    "504": "Unavailable",
}
"""https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md"""
_READ = 1 << 16
_MAX_ANSWER = 10 << 10
_MAX_TIMEOUT_MS = 99_999_999
"""The header grpc-timeout has at most eight digits."""
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 1.0


class _BrokenError(Exception):
    """The server closed the connection or does not speak HTTP/2."""


@dataclass(slots=True)
class _Answer:
    headers: dict[str, str] = field(default_factory=dict)
    """The headers of the response, and its trailers."""
    data: bytearray = field(default_factory=bytearray)


async def check(host: str, port: int, service: str, *, timeout_s: float, tls: bool = False) -> ProbeResult:
    """Asks the server at an address for the health of a service; the empty name means the server as a whole."""
    address, limit = join_host_port(host, port), duration_text(timeout_s)
    deadline = asyncio.get_running_loop().time() + timeout_s
    problems: list[str] = []
    try:
        async with asyncio.timeout_at(deadline):
            exchange = await _connected(host, port, tls, problems)
    except TimeoutError:
        text = f'timeout: failed to connect service "{address}" within {limit}: context deadline exceeded'
        return failure(": ".join([text, *problems[-1:]]))
    try:
        async with asyncio.timeout_at(deadline):
            return _verdict(await exchange.ask(_headers(address, timeout_s, tls), render_request(service)), limit)
    except TimeoutError:
        return failure(f"timeout: health rpc did not complete within {limit}")
    except (OSError, _BrokenError) as error:
        return _rpc_failed("Unavailable", f"error reading from server: {error}")
    finally:
        exchange.close()


async def _connected(host: str, port: int, tls: bool, problems: list[str]) -> _Exchange:
    """Returns a connection that the server has greeted on; tries again until then, as gRPC clients do."""
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            return await _dial(host, port, tls)
        except _BrokenError as error:
            problems.append(str(error))
        except OSError as error:
            problems.append(dial_text(host, port, error))
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.6, _LONGEST_PAUSE_S)


async def _dial(host: str, port: int, tls: bool) -> _Exchange:
    reader, writer = await asyncio.open_connection(host, port, ssl=_trusting() if tls else None)
    exchange = _Exchange(reader, writer)
    try:
        await exchange.greet()
    except BaseException:
        exchange.close()
        raise
    return exchange


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


def _headers(address: str, timeout_s: float, tls: bool) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", "https" if tls else "http"),
        (":path", _METHOD),
        (":authority", address),
        ("content-type", "application/grpc"),
        ("user-agent", "kube-probe/1.36"),
        ("te", "trailers"),
        ("grpc-timeout", f"{min(int(timeout_s * 1000), _MAX_TIMEOUT_MS)}m"),
    ]


class _Exchange:
    """One HTTP/2 connection with one request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from h2.config import H2Configuration
        from h2.connection import H2Connection

        self._reader, self._writer = reader, writer
        self._http: H2Connection = H2Connection(H2Configuration(client_side=True, header_encoding=None))

    async def greet(self) -> None:
        """Returns when the server's settings have come."""
        from h2.events import RemoteSettingsChanged

        self._http.initiate_connection()
        while not any(isinstance(event, RemoteSettingsChanged) for event in await self._events()):
            pass

    async def ask(self, headers: Sequence[tuple[str, str]], message: bytes) -> _Answer:
        from h2 import events

        stream = self._http.get_next_available_stream_id()
        self._http.send_headers(stream, headers)
        self._http.send_data(stream, message, end_stream=True)
        answer = _Answer()
        while True:
            for event in await self._events():
                match event:
                    case events.ResponseReceived() | events.TrailersReceived():
                        answer.headers |= {_text(name): _text(value) for name, value in event.headers}
                    case events.DataReceived():
                        answer.data += event.data[: _MAX_ANSWER - len(answer.data)]
                        self._http.acknowledge_received_data(event.flow_controlled_length, stream)
                    case events.StreamReset():
                        raise _BrokenError(f"stream terminated by RST_STREAM with error code {event.error_code}")
                    case events.ConnectionTerminated():
                        raise _BrokenError(f"the server closed the connection with error code {event.error_code}")
                    case events.StreamEnded():
                        return answer
                    case _:
                        pass

    async def _events(self) -> list[Any]:
        """Sends pending data and returns the next events."""
        from h2.exceptions import ProtocolError

        if data := self._http.data_to_send():
            await send(self._writer, data)
        data = await self._reader.read(_READ)
        if not data:
            raise _BrokenError("EOF")
        if data.startswith(b"HTTP/"):
            # As a frame it would announce 4.7 MB, which h2 waits for.
            raise _BrokenError("the server speaks HTTP/1")
        try:
            events: list[Any] = self._http.receive_data(data)
        except ProtocolError as error:
            raise _BrokenError(f"the server does not speak HTTP/2: {error}") from error
        return events

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._writer.transport.abort()


def _text(word: bytes) -> str:
    return word.decode(errors="replace")


def _verdict(answer: _Answer, limit: str) -> ProbeResult:
    code, text = _code_of(answer.headers)
    if code == "Unimplemented":
        what = "error: this server does not implement the grpc health protocol (grpc.health.v1.Health)"
        return failure(f"{what}: {text}")
    if code == "DeadlineExceeded":
        return failure(f"timeout: health rpc did not complete within {limit}")
    if code != "OK":
        return _rpc_failed(code, text)
    try:
        status = parse_status(bytes(answer.data))
    except MessageError as error:
        return _rpc_failed("Internal", str(error))
    return SUCCESS if status == "SERVING" else failure(f'service unhealthy (responded with "{status}")')


def _code_of(headers: Mapping[str, str]) -> tuple[str, str]:
    """Returns the name of the gRPC code, and the server's message."""
    number, http = headers.get("grpc-status"), headers.get(":status", "")
    if number is None:
        text = f"unexpected HTTP status code received from server: {http}"
        return (_CODE_OF_HTTP.get(http, "Unknown"), text) if http != "200" else ("Internal", "no grpc-status received")
    message = unquote(headers.get("grpc-message", ""))
    known = number.isascii() and number.isdigit() and int(number) < len(_CODES)
    return (_CODES[int(number)] if known else f"Code({number})"), message


def _rpc_failed(code: str, text: str) -> ProbeResult:
    return failure(f"error: health rpc probe failed: rpc error: code = {code} desc = {text}")
