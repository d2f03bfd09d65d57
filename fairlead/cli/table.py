"""Tables as kubectl prints them: the server's `Table`, or rows of our own."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

_GAPS = (3, 2)


def terminal_width() -> int | None:
    """Returns the columns of the terminal that standard output is; None if it is a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def render(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, width: int | None = None, optional: Sequence[str] = ()
) -> str:
    """Returns the lines with columns as wide as their widest cell and three spaces; lines end without spaces.

    If they are wider than `width`, the gaps shrink, and then the `optional` columns are left out, one after the other.
    """
    lines = [list(header), *(list(row) for row in rows)]
    left_out: set[str] = set()
    for name in ("", *optional):
        left_out.add(name)
        kept = [at for at, title in enumerate(header) if title not in left_out]
        shown = [[line[at] for at in kept] for line in lines]
        for gap in _GAPS:
            text = _aligned(shown, gap)
            if width is None or max(map(len, text)) <= width:
                return "\n".join(text)
    return "\n".join(text)


def _aligned(lines: Sequence[Sequence[str]], gap: int) -> list[str]:
    widths = [max(len(cell) for cell in column) + gap for column in zip(*lines, strict=True)]
    return ["".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def render_table(
    table: dict[str, Any], *, wide: bool = False, width: int | None = None, optional: Sequence[str] = ()
) -> str:
    """Renders a `meta.k8s.io/v1` Table. Columns of a priority above 0 are shown only if `wide`."""
    columns = [(i, c) for i, c in enumerate(table["columnDefinitions"]) if wide or not c.get("priority")]
    header = [c["name"].upper() for _, c in columns]
    rows = [[_cell(row["cells"][i]) for i, _ in columns] for row in table.get("rows") or []]
    return render(header, rows, width=width, optional=optional)


def _cell(value: Any) -> str:
    if value is None:
        return "<none>"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
