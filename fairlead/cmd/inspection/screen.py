"""The timeline as a text screen: Pods with their connections as sparklines, latencies, and the last entries. Needs the
package rich."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fairlead.proxy.inspection.timeline import Line, Timeline, sparkline

_ENTRIES = 12


class Screen:
    def __init__(self, timeline: Timeline, console: Console | None = None) -> None:
        self._timeline = timeline
        self._last: deque[str] = deque(maxlen=_ENTRIES)
        self._live = Live(self._render(), console=console, refresh_per_second=4, transient=False)

    def add(self, lines: Sequence[Line]) -> None:
        self._last.extend(line.text for line in lines if line.kind != "connections")
        self._live.update(self._render())

    def __enter__(self) -> Screen:
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.__exit__(None, None, None)

    def _render(self) -> RenderableType:
        timeline = self._timeline
        table = Table(title=f"svc/{timeline.service.rpartition('/')[2]}", title_justify="left", expand=True)
        for column in ("endpoint", "state", "connections", "per second"):
            table.add_column(column, justify="right" if column == "connections" else "left")
        for target in sorted({*timeline.endpoints, *timeline.counts}):
            state = "ready" if target in timeline.endpoints else "gone"
            seconds = timeline.history.get(target, ())
            table.add_row(timeline.name(target), state, str(timeline.counts.get(target, 0)), sparkline(seconds))
        delays = ", ".join(f"{what} {delay:g} ms" for what, delay in sorted(timeline.latencies_ms.items()))
        last = Text(f"last change of the slices to: {delays}" if delays else "no change of the slices yet")
        return Group(table, last, *(Text(f"  {entry}") for entry in self._last))
