"""Reads integers as Go's strconv does: ASCII digits alone.

`int()` also takes `1_0`, blanks and the digits of every script, and `str.isdigit()` is true of `²`, which `int()`
refuses. What comes from outside (queries, annotations, flags, files of users) is read by these functions instead.
"""

from __future__ import annotations

import re

_INTEGER = re.compile(r"[+-]?[0-9]+")
_BOUND = 1 << 63
_MOST_DIGITS = 4000
"""Python refuses to convert much longer texts; a number in range has so many digits only with leading zeros."""


def integer(text: str, *, bound: int = _BOUND) -> int:
    """An integer from `-bound` to `bound - 1`. Raises ValueError with the text of Go's `strconv.ParseInt`."""
    if _INTEGER.fullmatch(text) is None:
        raise ValueError(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    number = int(text) if len(text) < _MOST_DIGITS else bound
    if not -bound <= number < bound:
        raise ValueError(f'strconv.ParseInt: parsing "{text}": value out of range')
    return number


def natural(text: str) -> int | None:
    """Returns the number written in ASCII digits, or None for any other text."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < _MOST_DIGITS else None


def port_number(text: str) -> int | None:
    """Returns a port from 1 to 65535, or None for any other text."""
    number = natural(text)
    return number if number is not None and 1 <= number <= 65535 else None
