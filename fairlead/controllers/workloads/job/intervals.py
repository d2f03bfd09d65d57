"""Index sets as text (`0,2-4`), the form of `completedIndexes` and `failedIndexes`."""

from __future__ import annotations

from collections.abc import Iterable


def parse_indexes(text: str | None, completions: int) -> frozenset[int]:
    """Returns the indexes below `completions`. Skips what is not an interval: the server has checked the text."""
    result: set[int] = set()
    for part in (text or "").split(","):
        low, dash, high = part.partition("-")
        if low.isdecimal() and (high.isdecimal() or not dash):
            result.update(range(int(low), min(int(high or low), completions - 1) + 1))
    return frozenset(result)


def render_indexes(indexes: Iterable[int]) -> str:
    """Returns the shortest text, as upstream writes it: two neighbours are listed, three and more are a range."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(f"{a}" if a == b else f"{a},{b}" if b == a + 1 else f"{a}-{b}" for a, b in runs)
