"""Orders the first lines of a timeline: the present state, which several processes report in any order. Pure.

What must stay true: the lines about one object keep their order, and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fairlead.proxy.inspection.timeline import LISTED, Event, Line

_ORDER = ("service", "endpoints", "rules", "dns", "pod", "connections")
_NAMES = ("pod", "slice", "node")
"""Fields of a line that name its object."""


class Beginning:
    """The lines up to the moment at which every source has reported its present state.

    `expected` are the sources, as `slices`, or `rules node1` for one of several nodes.
    """

    def __init__(self, expected: Iterable[str]) -> None:
        self._expected = set(expected)
        self._lines: list[Line] = []

    @property
    def is_over(self) -> bool:
        return not self._expected

    def add(self, event: Event, lines: Sequence[Line]) -> None:
        """Takes an event and its lines."""
        self._lines += lines
        name = event.source if event.source != "rules" else f"rules {event.data['node']}"
        if event.source not in ("slices", "pods") or event.data["type"] == LISTED:
            self._expected.discard(name)

    def end(self, at: float) -> list[Line]:
        """Returns the lines by kind and name, with one time: that of the whole state."""
        self._expected.clear()
        lines, self._lines = sorted(self._lines, key=_key), []
        return [one._replace(at=at) for one in lines]


def _key(line: Line) -> tuple[int, str]:
    return _ORDER.index(line.kind), next((str(line.fields[name]) for name in _NAMES if name in line.fields), "")
