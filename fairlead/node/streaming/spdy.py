"""SPDY/3.1 framing (draft-mbelshe-httpbis-spdy-00), as far as Kubernetes' clients speak it. Bytes in, events out.

The client opens streams; each carries data both ways and is ended each way separately. Flow control is left alone, as
the clients' own library leaves it: backpressure is that of the connection.
What must stay true: whatever the bytes are, `receive` raises ProtocolError and nothing else, and holds at most one
frame and the headers of one frame.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping

from fairlead.base.dataclass import dataclass
from fairlead.node.streaming.channels import ProtocolError

MAX_FRAME = 1 << 20
"""Bytes. Clients send frames of 32 KiB; the format allows 16 MiB."""
_MAX_HEADERS = 16 << 10
"""Bytes of one frame's headers after decompression."""
_FIN = 1
_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _PING, _HEADERS = 1, 2, 3, 6, 8
_HEADER_BLOCK_AT: Mapping[int, int] = {_SYN_STREAM: 10, _SYN_REPLY: 4, _HEADERS: 4}
"""Offset of the compressed headers in frames that have them. All are decompressed, because they share one context."""
_REFUSED_STREAM = 3
_CONTROL = 0x8003_0000
_LAST_STREAM = 0x7FFF_FFFF

# The dictionary that both sides' compression starts from (2.6.10.1): words with their lengths, then plain text.
_WORDS = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie "
    "keep-alive origin"
)
_TEXT = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative "
    "Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 "
    "Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec "
    "00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,"
    "application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8"
    "charset=iso-8859-1,utf-,*,enq=0."
)


def _sized(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


DICTIONARY = b"".join(_sized(word.replace("_", " ").encode()) for word in _WORDS.split()) + _TEXT.encode()


@dataclass(frozen=True, slots=True)
class Opened:
    stream: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Data:
    stream: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """The client sends no more data on this stream; with `reset`, it does not receive either."""

    stream: int
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Ping:
    number: int


Event = Opened | Data | Ended | Ping


class Session:
    """The state of one connection: an unfinished frame, and the compression of headers, which spans all frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def receive(self, data: bytes) -> Iterator[Event]:
        """Raises ProtocolError."""
        self._buffer += data
        while len(self._buffer) >= 8:
            head, rest = struct.unpack_from(">II", self._buffer)
            flags, length = rest >> 24, rest & 0xFFFFFF
            if length > MAX_FRAME:
                raise ProtocolError(f"frame too long: {length} bytes")
            if len(self._buffer) < 8 + length:
                return
            body = bytes(self._buffer[8 : 8 + length])
            del self._buffer[: 8 + length]
            if head >> 31:
                yield from self._control(head, flags, body)
            else:
                if body:
                    yield Data(head, body)
                if flags & _FIN:
                    yield Ended(head)

    def _control(self, head: int, flags: int, body: bytes) -> Iterator[Event]:
        if head & 0xFFFF_0000 != _CONTROL:
            raise ProtocolError("the client does not speak SPDY/3")
        kind = head & 0xFFFF
        try:
            block_at = _HEADER_BLOCK_AT.get(kind)
            headers = {} if block_at is None else self._headers(body[block_at:])
            if kind == _PING:
                yield Ping(struct.unpack_from(">I", body)[0])
            elif block_at is not None or kind == _RST_STREAM:
                yield from _of_stream(kind, flags, struct.unpack_from(">I", body)[0] & _LAST_STREAM, headers)
        except (struct.error, zlib.error, UnicodeDecodeError) as e:
            raise ProtocolError(str(e)) from e

    def _headers(self, block: bytes) -> dict[str, str]:
        raw = self._inflate.decompress(block, _MAX_HEADERS)
        if self._inflate.unconsumed_tail or self._inflate.eof:
            raise ProtocolError("the headers are not terminated")
        (count,), at = struct.unpack_from(">I", raw), 4
        texts: list[str] = []
        for _ in range(min(count, _MAX_HEADERS) * 2):
            (length,) = struct.unpack_from(">I", raw, at)
            if at + 4 + length > len(raw):
                raise ProtocolError("incomplete header")
            texts.append(raw[at + 4 : at + 4 + length].decode())
            at += 4 + length
        return dict(zip(texts[::2], texts[1::2], strict=True))

    def reply(self, stream: int) -> bytes:
        """Accepts a stream."""
        block = self._deflate.compress(struct.pack(">I", 0)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return _control(_SYN_REPLY, struct.pack(">I", stream) + block)

    def data(self, stream: int, data: bytes, *, end: bool = False) -> bytes:
        return struct.pack(">II", stream, (_FIN if end else 0) << 24 | len(data)) + data

    def reset(self, stream: int) -> bytes:
        """Refuses a stream."""
        return _control(_RST_STREAM, struct.pack(">II", stream, _REFUSED_STREAM))

    def pong(self, ping: Ping) -> bytes:
        return _control(_PING, struct.pack(">I", ping.number))


def _of_stream(kind: int, flags: int, stream: int, headers: Mapping[str, str]) -> Iterator[Event]:
    if kind == _RST_STREAM:
        yield Ended(stream, reset=True)
        return
    if kind == _SYN_STREAM:
        if stream % 2 == 0:
            raise ProtocolError(f"a client cannot open stream {stream}")
        yield Opened(stream, headers)
    if flags & _FIN:
        yield Ended(stream)


def _control(kind: int, body: bytes) -> bytes:
    return struct.pack(">II", _CONTROL | kind, len(body)) + body
