"""Reads container logs back: the last lines, since a time, and on as they grow."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator

from fairlead.base.dataclass import dataclass
from fairlead.base.instant import Instant, parse_time
from fairlead.node.runtime.logs.logfile import older_files

_POLL_S = 0.1
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """The options of `kubectl logs`."""

    follow: bool = False
    tail: int | None = None
    limit_bytes: int | None = None
    since: Instant | None = None
    timestamps: bool = False
    stream: str = ""
    """Only `stdout` or `stderr`; empty: both."""


def last_lines(path: str, lines: int, size: int) -> str:
    """Returns the end of a log: at most so many lines, and at most so many bytes."""
    render = _Renderer(timestamps=False)
    text = b"".join(map(render, deque(_entries(path), lines)))
    return text[-size:].decode(errors="replace")


async def read_log(path: str, query: LogQuery, *, growing: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Chunks of the log; with `follow` until `growing` says that no more will come."""
    left = query.limit_bytes
    async for chunk in _chunks(path, query, growing):
        if left is not None:
            if len(chunk) >= left:
                yield chunk[:left]
                return
            left -= len(chunk)
        if chunk:
            yield chunk


async def _chunks(path: str, query: LogQuery, growing: Callable[[], bool]) -> AsyncIterator[bytes]:
    follower, render = _Follower(path), _Renderer(timestamps=query.timestamps)
    entries: Iterator[bytes] = (e for e in _entries(path, follower) if _is_selected(e, query))
    if query.tail is not None:
        entries = iter(deque(entries, query.tail))
    batch, size = [], 0
    for entry in entries:
        batch.append(render(entry))
        size += len(batch[-1])
        if size > _CHUNK:
            yield b"".join(batch)
            batch, size = [], 0
            await asyncio.sleep(0)
    yield b"".join(batch)
    while query.follow:
        more = growing()  # asked before reading: what is written until then is read
        fresh = [render(e) for e in follower.read() if _is_selected(e, query)]
        if fresh:
            yield b"".join(fresh)
        elif not more:
            return
        else:
            await asyncio.sleep(_POLL_S)


class _Follower:
    """Remembers the position in the current file, and continues in the next file after a rotation."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._inode = -1
        self._offset = 0
        self._rest = b""

    def read(self) -> list[bytes]:
        """Returns the whole lines written since the last call."""
        entries: list[bytes] = []
        try:
            with open(self._path, "rb") as file:
                inode = os.fstat(file.fileno()).st_ino
                if self._inode not in (inode, -1):
                    entries += self._read_rotated()
                    self._offset, self._rest = 0, b""
                self._inode = inode
                entries += self._read_entries(file.fileno())
        except FileNotFoundError:
            return entries
        return entries

    def _read_rotated(self) -> list[bytes]:
        try:
            with open(self._path + ".1", "rb") as file:
                return self._read_entries(file.fileno()) if os.fstat(file.fileno()).st_ino == self._inode else []
        except FileNotFoundError:
            return []

    def _read_entries(self, fd: int) -> list[bytes]:
        parts = []
        while data := os.pread(fd, _CHUNK, self._offset):
            self._offset += len(data)
            parts.append(data)
        lines = (self._rest + b"".join(parts)).split(b"\n")
        self._rest = lines.pop()
        return lines


def _entries(path: str, follower: _Follower | None = None) -> Iterator[bytes]:
    """Yields all lines on disk, the oldest file first."""
    for older in older_files(path):
        try:
            with open(older, "rb") as file:
                for line in file:
                    yield line.rstrip(b"\n")
        except FileNotFoundError:
            continue
    yield from (follower or _Follower(path)).read()


def _is_selected(entry: bytes, query: LogQuery) -> bool:
    if query.stream and entry.split(b" ", 2)[1:2] != [query.stream.encode()]:
        return False
    return query.since is None or parse_time(entry[:26].decode() + "Z") >= query.since


class _Renderer:
    """Turns entries into the container's original output; all parts of a long line get the time of its first part."""

    def __init__(self, *, timestamps: bool) -> None:
        self._timestamps = timestamps
        self._at_start = True

    def __call__(self, entry: bytes) -> bytes:
        time, _, flag, text = (*entry.split(b" ", 3), b"", b"", b"")[:4]
        line = text if flag == b"P" else text + b"\n"
        prefix = time + b" " if self._timestamps and self._at_start else b""
        self._at_start = flag != b"P"
        return prefix + line
