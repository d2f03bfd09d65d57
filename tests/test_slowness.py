"""The tests that the option `--unmarked-slow` lists."""

from __future__ import annotations

from tests.slowness import Took, unmarked_slow


def test_slow_tests_without_the_mark_are_listed_the_longest_first() -> None:
    took = [
        Took("busy", cpu_s=0.3, wall_s=0.3, marked=False),
        Took("waits", cpu_s=0.0, wall_s=1.0, marked=False),
        Took("fast", cpu_s=0.1, wall_s=0.2, marked=False),
        Took("marked", cpu_s=9.0, wall_s=9.0, marked=True),
    ]
    assert [line.split() for line in unmarked_slow(took)] == [["0.00", "1.00", "waits"], ["0.30", "0.30", "busy"]]
