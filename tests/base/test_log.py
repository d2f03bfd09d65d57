from __future__ import annotations

from fairlead.base.clock import FakeClock
from fairlead.base.log import SILENT, Log


def test_a_line_names_time_level_component_text_and_facts() -> None:
    lines: list[str] = []
    Log("scheduler", clock=FakeClock(), write=lines.append).info("bound", pod="default/web", why="it fits")
    assert lines == ['2023-11-14T22:13:20.000Z I scheduler  bound pod=default/web why="it fits"\n']


def test_lines_below_the_level_are_not_written() -> None:
    lines: list[str] = []
    log = Log("x", clock=FakeClock(), write=lines.append, level="warn").named("y")
    log.info("no")
    log.error("yes")
    SILENT.error("no")
    assert [line.split("  ")[1] for line in lines] == ["yes\n"]
