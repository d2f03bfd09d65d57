"""Round robin of records of one size: each answer starts with another record, so that clients which use the first
one spread.

Packed once; each answer is a window on the doubled bytes. A window larger than the datagram is cut, and TC is set.
"""

from __future__ import annotations

from collections.abc import Sequence

from fairlead.dns.protocol.wire import AA, HEADER, QR, RA, RD, TC

_WHOLE = QR | AA | RD | RA
_STREAM_MOST = 65535


class Rotation:
    """The rotating answer to one question; all records have the same length."""

    __slots__ = ("_count", "_doubled", "_next", "_question", "_size")

    def __init__(self, question: int, records: Sequence[bytes]) -> None:
        """`question`: length of the question in bytes."""
        self._question = question
        self._count = len(records)
        self._size = len(records[0])
        self._doubled = b"".join(records) * 2
        self._next = 0

    def next_answer(self, limit: int, extra: int) -> tuple[bytes, bytes]:
        """Returns flags and counts (without additional records), and the records, of the next answer. `limit`:
        maximal bytes of the message; `extra`: bytes that the caller will add."""
        turn = self._next
        self._next = turn + 1 if turn + 1 < self._count else 0
        room = (min(limit, _STREAM_MOST) - HEADER.size - self._question - extra) // self._size
        count, flags = (self._count, _WHOLE) if room >= self._count else (room, _WHOLE | TC)
        start = turn * self._size
        head = flags.to_bytes(2, "big") + b"\0\1" + count.to_bytes(2, "big") + b"\0\0\0\0"
        return head, self._doubled[start : start + count * self._size]
