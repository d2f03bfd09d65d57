"""`pytest --unmarked-slow`: lists tests that take more than 0.25 s and have no mark `slow`.

A test counts if its body, without fixtures, takes longer by either clock: the processor's (with child processes that
ended) or the wall's. On a busy machine the wall's clock shows too much, so look at both columns before you mark a
test. The list never fails a run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from typing import NamedTuple

import pytest

LIMIT_S = 0.25


class Took(NamedTuple):
    """The time of one test's body, and its mark."""

    test: str
    cpu_s: float
    wall_s: float
    marked: bool

    @property
    def is_unmarked_slow(self) -> bool:
        return not self.marked and max(self.cpu_s, self.wall_s) > LIMIT_S


class Slowness:
    """The plug-in: measures every test and lists what is slow without the mark."""

    def __init__(self) -> None:
        self.took: list[Took] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        cpu_s, wall_s = _cpu_s(), time.monotonic()
        try:
            return (yield)
        finally:
            marked = item.get_closest_marker("slow") is not None
            self.took.append(Took(item.nodeid, _cpu_s() - cpu_s, time.monotonic() - wall_s, marked))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section(f"over {LIMIT_S} s without the mark slow (processor, wall)")
        for line in unmarked_slow(self.took):
            terminalreporter.line(line)


def unmarked_slow(took: list[Took]) -> list[str]:
    """Returns a line for each test that should be marked, the longest first."""
    found = sorted((one for one in took if one.is_unmarked_slow), key=lambda one: -max(one.cpu_s, one.wall_s))
    return [f"{one.cpu_s:7.2f} {one.wall_s:7.2f}  {one.test}" for one in found]


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
