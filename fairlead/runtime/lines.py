"""Splits a stream of bytes at newlines."""

from __future__ import annotations


class LineSplitter:
    """Accepts chunks and returns the complete lines, without newlines and without empty lines.

    A line may have any length and span any number of chunks; the work is linear in the bytes.
    """

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
