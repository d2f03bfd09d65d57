"""A SPDY client, as far as tests need one: frames, and a connection to a kubelet API."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from fairlead.node.streaming.spdy import DICTIONARY


class Frames:
    """Renders the frames that a client sends."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def block(self, headers: Mapping[str, str]) -> bytes:
        raw = struct.pack(">I", len(headers))
        for text in (t.encode() for pair in headers.items() for t in pair):
            raw += struct.pack(">I", len(text)) + text
        return self._deflate.compress(raw) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def open(self, stream: int, headers: Mapping[str, str], *, end: bool = False) -> bytes:
        body = struct.pack(">IIH", stream, 0, 0) + self.block(headers)
        return struct.pack(">HHI", 0x8003, 1, int(end) << 24 | len(body)) + body

    def data(self, stream: int, data: bytes, *, end: bool = False) -> bytes:
        return struct.pack(">II", stream, int(end) << 24 | len(data)) + data


class Reader:
    """Parses the data that a client receives: data by stream, and the streams that have ended."""

    def __init__(self) -> None:
        self.said: dict[int, bytes] = {}
        self.ended: set[int] = set()
        self.replied: set[int] = set()
        self.reset: set[int] = set()
        self._buffer = b""

    def feed(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 8:
            head, rest = struct.unpack_from(">II", self._buffer)
            length = rest & 0xFFFFFF
            if len(self._buffer) < 8 + length:
                return
            body, self._buffer = self._buffer[8 : 8 + length], self._buffer[8 + length :]
            if head >> 31:
                of = {2: self.replied, 3: self.reset}.get(head & 0xFFFF)
                if of is not None:
                    of.add(struct.unpack_from(">I", body)[0])
                continue
            self.said[head] = self.said.get(head, b"") + body
            if rest >> 24:
                self.ended.add(head)


class Spdy:
    """An upgraded connection; streams by name."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: str) -> None:
        self.head = head
        """The answer's first line and headers."""
        self.reader, self.writer = reader, writer
        self.frames = Frames()
        self.got = Reader()
        self.streams: dict[str, int] = {}

    async def open(self, name: str, **headers: str) -> int:
        stream = self.streams[name] = 2 * len(self.streams) + 1
        await self.send(self.frames.open(stream, {"streamtype": name} | headers))
        return stream

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def say(self, name: str, data: bytes, *, end: bool = False) -> None:
        await self.send(self.frames.data(self.streams[name], data, end=end))

    async def read(self) -> bool:
        data = await self.reader.read(1 << 16)
        self.got.feed(data)
        return bool(data)

    async def until(self, name: str, text: bytes) -> None:
        while text not in self.heard(name):
            assert await self.read(), (self.got.said, self.got.ended)

    async def to_the_end(self) -> None:
        while await self.read():
            pass

    def heard(self, name: str) -> bytes:
        return self.got.said.get(self.streams[name], b"")


@asynccontextmanager
async def spdy(host: str, port: int, path: str, versions: Sequence[str]) -> AsyncIterator[Spdy]:
    reader, writer = await asyncio.open_connection(host, port)
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", "Connection: Upgrade", "Upgrade: SPDY/3.1", "Content-Length: 0"]
    lines += [f"X-Stream-Protocol-Version: {version}" for version in versions]
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        yield Spdy(reader, writer, head)
    finally:
        writer.close()
