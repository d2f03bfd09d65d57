"""Splits a stream of bytes at newlines."""

from __future__ import annotations


class LineSplitter:
    """Takes chunks and returns the lines that are complete, without the newlines and without empty lines.

    A line may be of any length and lie in any number of chunks; the work is linear in the bytes."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        head, *more = chunk.split(b"\n")
        self._rest.append(head)
        if not more:
            return []
        *whole, last = more
        lines = [b"".join(self._rest), *whole]
        self._rest = [last]
        return [line for line in lines if line]
