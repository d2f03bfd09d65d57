"""Tables as kubectl prints them: the server's `Table`, or rows of our own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

_GAP = 3


def render(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns the lines with columns as wide as their widest cell and three spaces; lines end without spaces."""
    lines = [list(header), *(list(row) for row in rows)]
    widths = [max(len(cell) for cell in column) + _GAP for column in zip(*lines, strict=True)]
    return "\n".join(
        "".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def render_table(table: dict[str, Any], *, wide: bool = False) -> str:
    """Renders a `meta.k8s.io/v1` Table. Columns of a priority above 0 are shown only if `wide`."""
    columns = [(i, c) for i, c in enumerate(table["columnDefinitions"]) if wide or not c.get("priority")]
    header = [c["name"].upper() for _, c in columns]
    rows = [[_cell(row["cells"][i]) for i, _ in columns] for row in table.get("rows") or []]
    return render(header, rows)


def _cell(value: Any) -> str:
    if value is None:
        return "<none>"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
