"""One line a happening, on stderr: time, level, component, text, facts as `key=value`.

    2026-01-02T03:04:05.678Z I scheduler  bound pod=default/web node=node1

Rejected: the standard library's logging tree. It is global state that any import may reconfigure, and costs
more to import than all of this.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from typing import Literal

from fairlead.base.clock import Clock, FakeClock
from fairlead.base.instant import render_micro_time

Level = Literal["debug", "info", "warn", "error"]
_RANK: dict[str, int] = {"debug": 0, "info": 1, "warn": 2, "error": 3, "none": 4}
_LETTER: dict[str, str] = {"debug": "D", "info": "I", "warn": "W", "error": "E"}
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@+,%*#")


class Log:
    """Writes whole lines through `write`; a component gets its own with `named`."""

    def __init__(
        self, component: str, *, clock: Clock, write: Callable[[str], object], level: Level | Literal["none"] = "info"
    ) -> None:
        self._component = component
        self._clock = clock
        self._write = write
        self._level = level
        self._rank = _RANK[level]

    def named(self, component: str) -> Log:
        return Log(component, clock=self._clock, write=self._write, level=self._level)

    def debug(self, text: str, **facts: object) -> None:
        self._emit("debug", text, facts)

    def info(self, text: str, **facts: object) -> None:
        self._emit("info", text, facts)

    def warn(self, text: str, **facts: object) -> None:
        self._emit("warn", text, facts)

    def error(self, text: str, **facts: object) -> None:
        self._emit("error", text, facts)

    def _emit(self, level: Level, text: str, facts: dict[str, object]) -> None:
        if _RANK[level] < self._rank:
            return
        at = render_micro_time(self._clock.now())[:-4] + "Z"
        tail = "".join(f" {key}={_render(value)}" for key, value in facts.items())
        self._write(f"{at} {_LETTER[level]} {self._component}  {text}{tail}\n")


def _render(value: object) -> str:
    text = str(value)
    return text if text and _PLAIN.issuperset(text) else json.dumps(text, ensure_ascii=False)


def stderr_log(component: str, *, clock: Clock, level: Level = "info") -> Log:
    """The log of a process: lines on stderr, written whole."""
    return Log(component, clock=clock, write=_write_stderr, level=level)


def _write_stderr(line: str) -> None:
    with contextlib.suppress(OSError):  # a failing log must not end the program
        sys.stderr.write(line)
        sys.stderr.flush()


SILENT = Log("", clock=FakeClock(), write=len, level="none")
"""Discards all lines: for tests, and for parts without a log."""
