"""`kubectl port-forward`: connections to a Pod's ports, many in one session.

    Upgrade: SPDY/3.1                                  kubectl before 1.31
    WebSocket, SPDY/3.1+portforward.k8s.io             a SPDY session inside binary messages: kubectl since 1.31
    WebSocket, channels (`channels.PORT_PROTOCOLS`)    one connection for each port of the query

In SPDY each connection is two streams with one `requestid`: `data`, and `error`, on which a failure is reported. With
channels port number n of the query has channel 2n for data and 2n+1 for errors; the first message of each is the port,
16 bits, little endian.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence

from fairlead.base.dataclass import dataclass, field
from fairlead.base.numbers import port_number
from fairlead.base.tasks import Nursery
from fairlead.node.streaming.channels import ChannelData, ChannelProtocol, ProtocolError, decode, encode
from fairlead.node.streaming.spdy import Data, Ended, Event, Opened, Ping, Session
from fairlead.runtime.tunnel import Pipe
from fairlead.runtime.writers import end, send

_CHUNK = 32 << 10
_MAX_WAITING = 4 << 20
"""Bytes of one session that its connections have not read yet; above this bound nothing more is read from the
client."""
_MAX_STREAMS = 1000
_PAIR_S = 30.0
"""Seconds within which the second stream of a connection must come."""
MAX_PORTS = 100

Dial = Callable[[int], Awaitable[socket.socket]]
"""Connects to a port inside the Pod. Raises OSError with a text that says what was tried."""


class Inbox:
    """The data a client has sent to one connection, until the connection reads it."""

    def __init__(self) -> None:
        self.size = 0
        self._parts: deque[bytes] = deque()
        self._ended = False
        self._wake = asyncio.Event()

    def put(self, data: bytes) -> None:
        """Appends data; an empty piece marks the end."""
        self._ended = self._ended or not data
        if data:
            self._parts.append(data)
            self.size += len(data)
        self._wake.set()

    async def get(self) -> bytes:
        while not self._parts and not self._ended:
            self._wake.clear()
            await self._wake.wait()
        data = self._parts.popleft() if self._parts else b""
        self.size -= len(data)
        return data


@dataclass(slots=True)
class Connection:
    """A connection to a port, and the numbers of its two streams or channels."""

    port: int
    data: int
    error: int
    inbox: Inbox = field(default_factory=Inbox)


class Forwarding:
    """The connections of one session. Subclasses implement how the client is notified of them."""

    def __init__(self, dial: Dial, *, pod: str, uid: str) -> None:
        self._dial = dial
        self._pod = pod
        self._uid = uid
        self._connections: dict[int, Connection] = {}
        """The connections by the number of the data stream."""
        self._taken = asyncio.Event()

    async def _say(self, stream: int, data: bytes) -> None:
        raise NotImplementedError

    async def _end(self, stream: int) -> None:
        raise NotImplementedError

    async def _room(self) -> None:
        """Waits until the connections have read enough of the received data."""
        while sum(c.inbox.size for c in self._connections.values()) > _MAX_WAITING:
            self._taken.clear()
            await self._taken.wait()

    async def _forward(self, connection: Connection) -> None:
        """Runs one connection from dialling to its end, and reports a failure."""
        try:
            why = await self._copy(connection)
            if why:
                text = f"error forwarding port {connection.port} to pod {self._pod}, uid {self._uid}: {why}"
                await self._say(connection.error, text.encode())
            for stream in (connection.data, connection.error):
                await self._end(stream)
        except OSError:
            return  # the client is gone
        finally:
            self._connections.pop(connection.data, None)
            self._taken.set()

    async def _copy(self, connection: Connection) -> str:
        """Copies data both ways; returns the error, or an empty text."""
        try:
            reader, writer = await asyncio.open_connection(sock=await self._dial(connection.port))
        except OSError as error:
            return str(error)
        try:
            async with Nursery() as nursery:
                nursery.spawn(self._send(connection.inbox, writer))
                while data := await _read(reader):
                    await self._say(connection.data, data)
        finally:
            writer.close()
        return ""

    async def _send(self, inbox: Inbox, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):  # the reading side ends the connection
            while data := await inbox.get():
                self._taken.set()
                await send(writer, data)
            end(writer)


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(_CHUNK)
    except OSError:  # the program in the Pod has cut the connection
        return b""


class SpdyForwarding(Forwarding):
    """Connections over a SPDY session."""

    def __init__(self, pipe: Pipe, dial: Dial, *, pod: str, uid: str) -> None:
        super().__init__(dial, pod=pod, uid=uid)
        self._pipe = pipe
        self._session = Session()
        self._halves: dict[str, dict[str, int]] = {}
        """Streams whose partner has not come yet, by request and type."""
        self._expiries: dict[str, asyncio.Task[None]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}

    async def run(self, moved: Callable[[], None]) -> None:
        """Runs until the client hangs up or breaks the protocol."""
        async with Nursery() as nursery:
            with contextlib.suppress(ProtocolError, OSError):
                while data := await self._pipe.read():
                    moved()
                    for event in self._session.receive(data):
                        await self._on(event, nursery)
                    await self._room()

    async def _say(self, stream: int, data: bytes) -> None:
        await self._pipe.write(self._session.data(stream, data))

    async def _end(self, stream: int) -> None:
        await self._pipe.write(self._session.data(stream, b"", end=True))

    async def _on(self, event: Event, nursery: Nursery) -> None:
        match event:
            case Opened(stream, headers):
                await self._open(stream, headers, nursery)
            case Data(stream, data):
                if (connection := self._connections.get(stream)) is not None:
                    connection.inbox.put(data)
            case Ended(stream, reset):
                if reset and (task := self._tasks.get(stream)) is not None:
                    task.cancel()
                elif (connection := self._connections.get(stream)) is not None:
                    connection.inbox.put(b"")
            case Ping():
                await self._pipe.write(self._session.pong(event))

    async def _open(self, stream: int, headers: Mapping[str, str], nursery: Nursery) -> None:
        kind, port = headers.get("streamtype", ""), port_number(headers.get("port", ""))
        request = headers.get("requestid") or str(stream - 2 if kind == "data" else stream)
        half = self._halves.get(request, {})
        streams = 2 * len(self._connections) + sum(map(len, self._halves.values()))
        if kind not in ("data", "error") or port is None or kind in half or streams >= _MAX_STREAMS:
            await self._pipe.write(self._session.reset(stream))
            return
        await self._pipe.write(self._session.reply(stream))
        if not half:
            self._halves[request] = {kind: stream}
            self._expiries[request] = nursery.spawn(self._expire(request))
            return
        del self._halves[request]
        self._expiries.pop(request).cancel()
        both = half | {kind: stream}
        connection = Connection(port, both["data"], both["error"])
        self._connections[connection.data] = connection
        self._tasks[connection.data] = nursery.spawn(self._run(connection))

    async def _run(self, connection: Connection) -> None:
        try:
            await self._forward(connection)
        finally:
            self._tasks.pop(connection.data, None)

    async def _expire(self, request: str) -> None:
        """Refuses a stream whose partner does not come."""
        await asyncio.sleep(_PAIR_S)
        del self._expiries[request]
        for stream in self._halves.pop(request).values():
            await self._pipe.write(self._session.reset(stream))


class ChannelForwarding(Forwarding):
    """One connection for each port, over channels."""

    def __init__(self, pipe: Pipe, dial: Dial, protocol: ChannelProtocol, *, pod: str, uid: str) -> None:
        super().__init__(dial, pod=pod, uid=uid)
        self._pipe = pipe
        self._protocol = protocol

    async def run(self, ports: Sequence[int], moved: Callable[[], None]) -> None:
        """Runs until the client hangs up, or all connections have ended."""
        connections = [Connection(port, 2 * at, 2 * at + 1) for at, port in enumerate(ports)]
        self._connections = {connection.data: connection for connection in connections}
        async with Nursery() as nursery:
            with contextlib.suppress(ProtocolError, OSError):
                for connection in connections:
                    for channel in (connection.data, connection.error):
                        await self._say(channel, connection.port.to_bytes(2, "little"))
                reading = nursery.spawn(self._receive(moved))
                forwarding = [nursery.spawn(self._forward(connection)) for connection in connections]
                await asyncio.wait((reading, asyncio.gather(*forwarding)), return_when=asyncio.FIRST_COMPLETED)

    async def _receive(self, moved: Callable[[], None]) -> None:
        with contextlib.suppress(ProtocolError, OSError):
            while message := await self._pipe.read():
                moved()
                said = decode(self._protocol, message)
                if isinstance(said, ChannelData) and said.data and said.channel in self._connections:
                    self._connections[said.channel].inbox.put(said.data)
                await self._room()

    async def _say(self, stream: int, data: bytes) -> None:
        message = encode(self._protocol, stream, data)
        await self._pipe.write(message.encode() if isinstance(message, str) else message)

    async def _end(self, stream: int) -> None:
        pass  # channels end only with the connection
