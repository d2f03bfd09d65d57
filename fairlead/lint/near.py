"""Finds the name that was meant, for "did you mean"."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches

_LIKENESS = 0.7


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns the known name that is most like the given one, whatever its case; empty if none is near."""
    by_lower = {one.lower(): one for one in known}
    near = get_close_matches(name.lower(), by_lower, 1, _LIKENESS)
    return by_lower[near[0]] if near else ""


def likeness(a: str, b: str) -> float:
    """Returns how alike two words are, 0 to 1, whatever their case."""
    return SequenceMatcher(None, a.lower(), b.lower()).ratio()
