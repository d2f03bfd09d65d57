"""Relays the browser's connections from a loopback port to the API server, whose certificate browsers do not trust.

What must stay true: the relay adds no credentials, so that other programs that reach its port gain nothing. It accepts
connections only of its user, for its address and from its pages: a foreign `Host` is DNS rebinding, a
foreign `Origin` is another site. The head of a connection's first request is checked here; the server checks each
request of a session. Other users could otherwise read a one-time token in the command line of the browser's start.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Collection, Iterator
from pathlib import Path

from fairlead.base.dataclass import dataclass

HOST = "127.0.0.1"
_SOCKETS = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_MOST_HEAD = 32 << 10
_PIECE = 64 << 10
_HEAD_S = 10.0
_CONNECT_S = 5.0


@dataclass(frozen=True, slots=True)
class Target:
    """The API server, and a TLS context without a client certificate. None: plain HTTP."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    server_name: str


@dataclass(frozen=True, slots=True)
class Refusal:
    status: str
    text: str

    def render(self) -> bytes:
        body = f"{self.text}\n".encode()
        head = f"HTTP/1.1 {self.status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}"
        return f"{head}\r\nConnection: close\r\n\r\n".encode() + body


_FOREIGN = Refusal(
    "403 Forbidden", "this port serves only the user who called `fairlead ui`; for others: fairlead ui --any-user"
)
_TOO_LARGE = Refusal("431 Request Header Fields Too Large", "the head of the request is too large")
_NO_SERVER = Refusal("502 Bad Gateway", "the API server does not answer; is the cluster running?")


def check_head(head: bytes, port: int) -> Refusal | None:
    """Returns why a request with this head is refused, or None."""
    own = f"{HOST}:{port}"
    hosts = list(_values(head, b"host"))
    if hosts != [own]:
        return Refusal("421 Misdirected Request", f"this port serves http://{own}/ only")
    if any(origin != f"http://{own}" for origin in _values(head, b"origin")):
        return Refusal("403 Forbidden", "the request comes from a page of another origin")
    return None


def owner(sockets: str, *, port: int, peer: int) -> int | None:
    """Returns the user id of the client's end of a loopback connection to `port`, from the lines of `/proc/net/tcp` and
    `tcp6` (proc(5)); None if the client is in another network namespace."""
    # 127.0.0.1 in the byte order of most machines; in `tcp6` it is the end of ::ffff:127.0.0.1.
    wanted = (f"0100007F:{peer:04X}", f"0100007F:{port:04X}")
    for line in sockets.splitlines():
        fields = line.split()
        if len(fields) > 7 and (fields[1][-13:], fields[2][-13:]) == wanted:
            return int(fields[7])
    return None


def _values(head: bytes, name: bytes) -> Iterator[str]:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            yield value.strip().decode("latin-1")


class Relay:
    """Listens on 127.0.0.1 as soon as it is made. `port` 0: any free one. `users`: ids of the users who may connect;
    None: all."""

    def __init__(self, target: Target, *, users: Collection[int] | None, port: int = 0) -> None:
        """Raises OSError if the port is taken."""
        self._target = target
        self._users = users
        self._socket = socket.create_server((HOST, port))
        self.port = int(self._socket.getsockname()[1])

    @property
    def origin(self) -> str:
        return f"http://{HOST}:{self.port}"

    async def run(self) -> None:
        """Runs until cancelled."""
        server = await asyncio.start_server(self._serve, sock=self._socket, limit=_MOST_HEAD)
        async with server:
            await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._relay(reader, writer)
        finally:
            await _close(writer)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_HEAD_S):
                head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return await _refuse(writer, _TOO_LARGE)
        refusal = check_head(head, self.port) or self._check_user(writer)
        if refusal is not None:
            return await _refuse(writer, refusal)
        target = self._target
        try:
            async with asyncio.timeout(_CONNECT_S):
                from_server, to_server = await asyncio.open_connection(
                    target.host, target.port, ssl=target.tls, server_hostname=target.server_name if target.tls else None
                )
        except OSError:
            return await _refuse(writer, _NO_SERVER)
        try:
            to_server.write(head)
            await _join(_copy(reader, to_server), _copy(from_server, writer))
        finally:
            await _close(to_server)
        return None

    def _check_user(self, writer: asyncio.StreamWriter) -> Refusal | None:
        if self._users is None:
            return None
        peer = writer.get_extra_info("peername")[1]
        sockets = "".join(table.read_text(encoding="ascii") for table in _SOCKETS if table.exists())
        uid = owner(sockets, port=self.port, peer=peer)
        return None if uid is None or uid in self._users else _FOREIGN


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _refuse(writer: asyncio.StreamWriter, refusal: Refusal) -> None:
    writer.write(refusal.render())
    await writer.drain()


async def _join(*copies: object) -> None:
    """Runs both directions until the first of them ends: HTTP ends connections in both directions."""
    tasks = [asyncio.ensure_future(copy) for copy in copies]  # type: ignore[call-overload]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_PIECE):
        writer.write(data)
        await writer.drain()
