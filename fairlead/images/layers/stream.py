"""Reads a layer or an archive, compressed or not, and counts and hashes the unpacked bytes."""

from __future__ import annotations

import bz2
import hashlib
import lzma
import zlib
from collections.abc import Iterator
from typing import Any, Protocol, cast

from fairlead.images.errors import LayerError

_CHUNK = 1 << 20
_GZIP, _ZSTD, _BZIP2, _XZ = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\x00"
_GZIP_WINDOW = 31
"""zlib's window size, with 16 for the header of gzip."""


class Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class Unpacked:
    """The unpacked bytes of a source, read in order."""

    def __init__(self, source: Readable) -> None:
        self.packed = 0
        """The bytes read from the source."""
        self.size = 0
        """The bytes handed out."""
        self._hash = hashlib.sha256()
        self._source = source
        self._blocks = self._decompressed()
        self._rest = b""

    @property
    def digest(self) -> str:
        """Returns the digest of the bytes handed out: of the whole, after the end has been read."""
        return "sha256:" + self._hash.hexdigest()

    def read(self, size: int = -1) -> bytes:
        """Returns at most `size` bytes; empty at the end."""
        while not self._rest:
            block = next(self._blocks, None)
            if block is None:
                return b""
            self._rest = block
        if 0 <= size < len(self._rest):
            data, self._rest = self._rest[:size], self._rest[size:]
        else:
            data, self._rest = self._rest, b""
        self._hash.update(data)
        self.size += len(data)
        return data

    def drain(self) -> None:
        """Reads to the end, so that the digest is that of the whole."""
        while self.read(_CHUNK):
            pass

    def _packed_blocks(self) -> Iterator[bytes]:
        while block := self._source.read(_CHUNK):
            self.packed += len(block)
            yield block

    def _decompressed(self) -> Iterator[bytes]:
        blocks = self._packed_blocks()
        first = next(blocks, b"")
        while first and len(first) < len(_XZ) and (more := next(blocks, b"")):
            first += more
        try:
            yield from _decompress(first, blocks)
        except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
            raise LayerError(f"the compressed data is damaged: {error}") from error


def _decompress(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    if first.startswith(_GZIP):
        return _gunzip(first, blocks)
    if first.startswith(_ZSTD):
        return _unzstd(first, blocks)
    if first.startswith(_BZIP2):
        return _whole(bz2.BZ2Decompressor(), first, blocks)
    if first.startswith(_XZ):
        return _whole(lzma.LZMADecompressor(), first, blocks)
    return _plain(first, blocks)


def _plain(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from blocks


def _gunzip(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yields the unpacked bytes in bounded pieces. A file may have several members (RFC 1952, 2.2)."""
    unpack = zlib.decompressobj(_GZIP_WINDOW)
    for block in _plain(first, blocks):
        data = block
        while data:
            if unpack.eof:
                if not data.startswith(_GZIP[: len(data)]):
                    return  # padding after the last member
                unpack = zlib.decompressobj(_GZIP_WINDOW)
            if piece := unpack.decompress(data, _CHUNK):
                yield piece
            data = unpack.unused_data if unpack.eof else unpack.unconsumed_tail
    if not unpack.eof:
        raise EOFError("it ends too early")


def _unzstd(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    import zstandard  # most images do without

    source = _Joined(_plain(first, blocks))
    try:
        with zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(
            cast("Any", source), read_across_frames=True, closefd=False
        ) as reader:
            while piece := reader.read(_CHUNK):
                yield piece
    except zstandard.ZstdError as error:
        raise EOFError(str(error)) from error


class _Joined:
    """Blocks as a file."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        data = self._rest or next(self._blocks, b"")
        if size < 0:
            size = len(data)
        data, self._rest = data[:size], data[size:]
        return data


def _whole(
    unpack: bz2.BZ2Decompressor | lzma.LZMADecompressor, first: bytes, blocks: Iterator[bytes]
) -> Iterator[bytes]:
    for block in _plain(first, blocks):
        data = block
        while not unpack.eof:
            if piece := unpack.decompress(data, _CHUNK):
                yield piece
            data = b""
            if unpack.needs_input:
                break
    if not unpack.eof:
        raise EOFError("it ends too early")
