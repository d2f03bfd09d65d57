"""Reads the logs of a cluster's components while they are written and rotated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from fairlead.base.dataclass import dataclass

_STAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z ")


@dataclass(frozen=True, slots=True)
class LogRecord:
    """A line with a time, and the lines without one that follow it, such as those of a traceback."""

    time: str
    """RFC 3339 with milliseconds, so that texts sort as times; empty for lines before the first time."""
    component: str
    lines: tuple[str, ...]


class LogReader:
    """Returns the lines of one log that were added since the last call."""

    def __init__(self, path: Path) -> None:
        self.component = path.name.removesuffix(".log")
        self._path = path
        self._position = 0
        self._rest = b""

    def read(self) -> list[LogRecord]:
        """Returns whole lines only. If the log was rotated or deleted, reading starts at its beginning."""
        try:
            with self._path.open("rb") as file:
                if file.seek(0, 2) < self._position:
                    self._position, self._rest = 0, b""
                file.seek(self._position)
                data = file.read()
        except FileNotFoundError:
            self._position, self._rest = 0, b""
            return []
        self._position += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return records((line.decode(errors="replace") for line in lines), self.component)


def records(lines: Iterable[str], component: str) -> list[LogRecord]:
    groups: list[list[str]] = []
    for line in lines:
        if _STAMP.match(line) or not groups:
            groups.append([])
        groups[-1].append(line)
    return [LogRecord(_time(group[0]), component, tuple(group)) for group in groups]


def _time(line: str) -> str:
    found = _STAMP.match(line)
    return found[0].strip() if found else ""


def merged(logs: Iterable[Iterable[LogRecord]]) -> list[LogRecord]:
    """Returns the records of several logs in the order of time; records of one log keep their order."""
    return sorted(chain.from_iterable(map(_with_time, logs)), key=lambda record: record.time)


def _with_time(log: Iterable[LogRecord]) -> Iterator[LogRecord]:
    """Yields the records. One without a time gets the time of its predecessor."""
    last = ""
    for record in log:
        last = max(last, record.time)
        yield LogRecord(last, record.component, record.lines)


def rendered(record: LogRecord, width: int) -> Iterator[str]:
    """Yields the record's lines, each after the component's name if `width` is not 0."""
    for line in record.lines:
        yield f"{record.component:{width}}  {line}" if width else line
