"""Texts of index sets (`1,3-5`), by which indexed Jobs record completed and failed indexes."""

from __future__ import annotations

from fairlead.machinery.values.quoting import go_quote


class IndexesError(ValueError):
    """A text that is not a set of indexes in ascending order."""


def count_indexes(text: str, completions: int) -> int:
    """Returns the number of indexes. Raises IndexesError with upstream's text."""
    total, last = 0, None
    for part in text.split(",") if text else ():
        low, high = _interval(part, completions)
        if last is not None and last >= low:
            raise IndexesError(f"non-increasing order, previous: {last}, current: {low}")
        total += high - low + 1
        last = high
    return total


def overlap(completed: str, failed: str, completions: int) -> int | None:
    """Returns the first index that both sets contain, or None. Skips invalid intervals, which have their own error."""
    left, right = (_intervals(text, completions) for text in (completed, failed))
    while left and right:
        (low, high), (other_low, other_high) = left[0], right[0]
        if low <= other_high and other_low <= high:
            return max(low, other_low)
        (left if low <= other_low else right).pop(0)
    return None


def _intervals(text: str, completions: int) -> list[tuple[int, int]]:
    intervals = []
    for part in text.split(",") if text else ():
        try:
            intervals.append(_interval(part, completions))
        except IndexesError:
            continue
    return intervals


def _interval(text: str, completions: int) -> tuple[int, int]:
    parts = text.split("-")
    if len(parts) > 2:
        raise IndexesError(
            f"the fragment {go_quote(text)} violates the requirement that an index interval can have at most two "
            "parts separated by '-'"
        )
    low = _index(parts[0], completions)
    if len(parts) == 1:
        return low, low
    high = _index(parts[1], completions)
    if low >= high:
        raise IndexesError(f"non-increasing order, previous: {low}, current: {high}")
    return low, high


def _index(text: str, completions: int) -> int:
    if not (text.isascii() and text.removeprefix("+").isdigit()):
        raise IndexesError(f"cannot convert string to integer for index: {go_quote(text)}")
    if int(text) >= completions:
        raise IndexesError(f"too large index: {go_quote(text)}")
    return int(text)
