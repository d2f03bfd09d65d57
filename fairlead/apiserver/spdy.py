"""SPDY/3.1 framing (draft-mbelshe-httpbis-spdy-00), as far as port-forwarding speaks it. Bytes in, events out: no I/O.

Streams are opened by the client, carry data both ways and are ended each way on their own. Flow control is left
alone, as the clients' own library leaves it: what we cannot take yet we do not read.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

MAX_FRAME = 1 << 20
"""Clients send pieces of 32 KiB; nobody may make us hold 16 MiB."""
_MAX_HEADERS = 16 << 10
_FIN = 1
_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _PING, _GOAWAY = 1, 2, 3, 6, 7
_CONTROL = 0x8003_0000

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


class ProtocolError(ValueError):
    """The other side speaks something else; the connection is of no use any more."""


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
    """The client says nothing more on this stream; with `reset`, it does not listen either."""

    stream: int
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Ping:
    number: int


Event = Opened | Data | Ended | Ping


class Session:
    """One connection's state: half a frame, and the compression of headers, which runs on over all frames."""

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
                raise ProtocolError(f"a frame of {length} bytes")
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
            raise ProtocolError("no SPDY/3")
        kind = head & 0xFFFF
        try:
            if kind == _SYN_STREAM:
                stream = struct.unpack_from(">I", body)[0] & 0x7FFF_FFFF
                yield Opened(stream, self._headers(body[10:]))
                if flags & _FIN:
                    yield Ended(stream)
            elif kind == _RST_STREAM:
                yield Ended(struct.unpack_from(">I", body)[0] & 0x7FFF_FFFF, reset=True)
            elif kind == _PING:
                yield Ping(struct.unpack_from(">I", body)[0])
        except (struct.error, zlib.error, UnicodeDecodeError) as e:
            raise ProtocolError(str(e)) from e

    def _headers(self, block: bytes) -> dict[str, str]:
        raw = self._inflate.decompress(block, _MAX_HEADERS)
        if self._inflate.unconsumed_tail:
            raise ProtocolError("headers without end")
        (count,), at = struct.unpack_from(">I", raw), 4
        texts: list[str] = []
        for _ in range(min(count, _MAX_HEADERS) * 2):
            (length,) = struct.unpack_from(">I", raw, at)
            if at + 4 + length > len(raw):
                raise ProtocolError("half a header")
            texts.append(raw[at + 4 : at + 4 + length].decode())
            at += 4 + length
        return dict(zip(texts[::2], texts[1::2], strict=True))

    def reply(self, stream: int) -> bytes:
        """The stream is welcome."""
        block = self._deflate.compress(struct.pack(">I", 0)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return _control(_SYN_REPLY, struct.pack(">I", stream) + block)

    def data(self, stream: int, data: bytes, *, end: bool = False) -> bytes:
        return struct.pack(">II", stream, (_FIN if end else 0) << 24 | len(data)) + data

    def reset(self, stream: int) -> bytes:
        """The stream is not welcome (REFUSED_STREAM)."""
        return _control(_RST_STREAM, struct.pack(">II", stream, 3))

    def pong(self, ping: Ping) -> bytes:
        return _control(_PING, struct.pack(">I", ping.number))


class Channels:
    """The plain form in a Session's clothes: each message is a channel's number and its data. Nothing is opened, ended
    or refused; odd channels are for errors and only ours to write to."""

    def receive(self, message: bytes) -> Iterator[Event]:
        if message[0] % 2 == 0 and len(message) > 1:
            yield Data(message[0], message[1:])

    def data(self, stream: int, data: bytes, *, end: bool = False) -> bytes:
        return bytes([stream]) + data if data else b""

    def reply(self, stream: int) -> bytes:
        return b""

    def reset(self, stream: int) -> bytes:
        return b""

    def pong(self, ping: Ping) -> bytes:
        return b""


def _control(kind: int, body: bytes) -> bytes:
    return struct.pack(">II", _CONTROL | kind, len(body)) + body
