from __future__ import annotations

import contextlib
import random
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.node.streaming.channels import ProtocolError
from fairlead.node.streaming.remotecommand import VERSIONS, SpdyCommand, StreamOptions
from fairlead.node.streaming.spdy import DICTIONARY, MAX_FRAME, Data, Ended, Event, Opened, Ping, Session
from tests.node.streaming.client import Frames


def test_the_dictionary_is_the_one_of_the_specification() -> None:
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


@given(st.integers(1, 40))
def test_frames_are_read_however_the_bytes_are_cut(size: int) -> None:
    client, session = Frames(), Session()
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
    huge = Frames().open(1, {"a": "x" * 100_000})
    with pytest.raises(ProtocolError, match="the headers are not terminated"):
        list(Session().receive(huge))
    with pytest.raises(ProtocolError, match="frame too long"):
        list(Session().receive(struct.pack(">II", 1, 0xFFFFFF)))


def test_a_bomb_of_headers_is_refused_before_it_unfolds() -> None:
    bomb = zlib.compressobj(9, zdict=DICTIONARY)
    block = bomb.compress(bytes(64 << 20)) + bomb.flush(zlib.Z_SYNC_FLUSH)
    assert len(block) < MAX_FRAME
    session = Session()
    with pytest.raises(ProtocolError, match="the headers are not terminated"):
        list(session.receive(_control(1, struct.pack(">IIH", 1, 0, 0) + block)))


def test_headers_that_end_their_compression_are_refused() -> None:
    ending = zlib.compressobj(9, zdict=DICTIONARY)
    block = ending.compress(struct.pack(">I", 0)) + ending.flush(zlib.Z_FINISH)
    with pytest.raises(ProtocolError, match="the headers are not terminated"):
        list(Session().receive(_control(1, struct.pack(">IIH", 1, 0, 0) + block)))


def test_streams_that_a_client_cannot_open_are_refused() -> None:
    for stream in (0, 2):
        with pytest.raises(ProtocolError, match=f"a client cannot open stream {stream}"):
            list(Session().receive(Frames().open(stream, {})))


def test_headers_of_frames_without_use_keep_the_compression_in_step() -> None:
    frames, session = Frames(), Session()
    for kind in (2, 8):
        assert list(session.receive(_control(kind, struct.pack(">I", 1) + frames.block({"a": "b"})))) == []
    assert list(session.receive(frames.open(3, {"a": "b"}))) == [Opened(3, {"a": "b"})]


def _control(kind: int, body: bytes) -> bytes:
    return struct.pack(">HHI", 0x8003, kind, len(body)) + body


def conversation(rng: random.Random) -> bytearray:
    """Returns the bytes that a client of an exec might send."""
    frames, sent = Frames(), bytearray()
    for at, kind in enumerate(("error", "stdin", "stdout", "stderr", "resize")):
        sent += frames.open(2 * at + 1, {"streamtype": kind, "port": str(rng.randrange(70_000)), "requestid": "1"})
    sent += frames.data(9, b'{"Width":80,"Height":24}\n') + struct.pack(">HHII", 0x8003, 6, 4, 9)
    sent += frames.data(3, rng.randbytes(rng.randrange(200)), end=rng.random() < 0.5)
    sent += struct.pack(">HHIII", 0x8003, 3, 8, rng.randrange(12), 5)
    return sent


def mutated(sent: bytearray, rng: random.Random) -> bytes:
    for _ in range(rng.randrange(1, 8)):
        at = rng.randrange(len(sent))
        match rng.randrange(5):
            case 0:
                sent[at] = rng.randrange(256)
            case 1:
                sent[at] ^= 1 << rng.randrange(8)
            case 2:
                del sent[at : at + rng.randrange(1, 40)]
            case 3:
                sent[at:at] = rng.randbytes(rng.randrange(1, 40))
            case _:
                other = rng.randrange(len(sent))
                sent[at:at] = sent[other : other + rng.randrange(1, 80)]
        if not sent:
            break
    return bytes(sent)


@pytest.mark.slow
def test_20000_mutated_conversations_end_in_events_or_in_a_protocol_error() -> None:
    wanted = StreamOptions(stdin=True, stdout=True, stderr=True, tty=True)
    for seed in range(20_000):
        rng = random.Random(seed)
        data = mutated(conversation(rng), rng)
        session, command = Session(), SpdyCommand(rng.choice(VERSIONS), wanted)
        cut = rng.randrange(1, len(data) + 1) if data else 1
        for receive in (session.receive, command.receive):
            try:
                for part in (data[:cut], data[cut:]):
                    list(receive(part))
            except ProtocolError:
                continue
            except Exception as error:
                raise AssertionError(f"seed {seed}: {data.hex()}") from error
        assert len(session._buffer) <= MAX_FRAME + 8
        assert len(command.outgoing) < 16 << 10, seed
