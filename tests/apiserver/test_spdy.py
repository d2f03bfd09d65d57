from __future__ import annotations

import contextlib
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.apiserver.spdy import DICTIONARY, Data, Ended, Event, Opened, Ping, ProtocolError, Session


class Client:
    """The other side, as far as tests need one."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def open(self, stream: int, headers: dict[str, str], *, end: bool = False) -> bytes:
        raw = struct.pack(">I", len(headers))
        for text in (t.encode() for pair in headers.items() for t in pair):
            raw += struct.pack(">I", len(text)) + text
        block = self._deflate.compress(raw) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        body = struct.pack(">IIH", stream, 0, 0) + block
        return struct.pack(">HHI", 0x8003, 1, int(end) << 24 | len(body)) + body

    def data(self, stream: int, data: bytes, *, end: bool = False) -> bytes:
        return struct.pack(">II", stream, int(end) << 24 | len(data)) + data


def test_the_dictionary_is_the_one_of_the_specification() -> None:
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


@given(st.integers(1, 40))
def test_frames_are_read_however_the_bytes_are_cut(size: int) -> None:
    client, session = Client(), Session()
    sent = client.open(1, {"streamtype": "error", "port": "80"}) + client.open(3, {"streamtype": "data", "port": "80"})
    sent += client.data(3, b"hello") + struct.pack(">HHII", 0x8003, 6, 4, 9) + client.data(3, b"", end=True)
    sent += struct.pack(">HHIII", 0x8003, 3, 8, 1, 5) + struct.pack(">HHI", 0x8003, 4, 0)
    found: list[Event] = []
    for at in range(0, len(sent), size):
        found += session.receive(sent[at : at + size])
    assert found == [
        Opened(1, {"streamtype": "error", "port": "80"}),
        Opened(3, {"streamtype": "data", "port": "80"}),
        Data(3, b"hello"),
        Ping(9),
        Ended(3),
        Ended(1, reset=True),
    ]


@given(st.binary(max_size=200))
def test_bytes_of_another_kind_end_the_session_and_nothing_else(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        list(Session().receive(data))


def test_headers_and_frames_have_bounds() -> None:
    huge = Client().open(1, {"a": "x" * 100_000})
    with pytest.raises(ProtocolError, match="headers without end"):
        list(Session().receive(huge))
    with pytest.raises(ProtocolError, match="a frame of"):
        list(Session().receive(struct.pack(">II", 1, 0xFFFFFF)))
