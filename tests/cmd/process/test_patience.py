"""A start is given up if nothing advances, and not because the machine is slow."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fairlead.cmd.process.patience import Patience, busy_s


def test_a_start_without_steps_goes_on_as_long_as_its_processes_compute() -> None:
    patience = Patience(60, 1800, 1000.0)
    for second in range(1, 600):
        patience.sample(1000.0 + second, second * 0.2)
        assert patience.problem(1000.0 + second) == ""


def test_a_start_that_does_nothing_is_given_up_after_the_limit() -> None:
    patience = Patience(60, 1800, 1000.0)
    for second in range(1, 61):
        patience.sample(1000.0 + second, second * 0.01)
        assert patience.problem(1000.0 + second) == ""
    patience.sample(1061.0, 0.6)
    assert patience.problem(1061.0) == "no progress for 60 s"


def test_a_step_counts_as_progress() -> None:
    patience = Patience(60, 1800, 1000.0)
    patience.advance(1059.0)
    assert patience.problem(1118.0) == ""
    assert patience.problem(1120.0) != ""


def test_a_process_that_computes_without_end_is_given_up_too() -> None:
    patience = Patience(60, 1800, 1000.0)
    patience.sample(2801.0, 1801.0)
    assert patience.problem(2801.0) == "not ready after 1800 s"


@pytest.mark.slow
def test_the_time_of_children_counts() -> None:
    program = "import sys, time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\nsys.stdin.read()"
    before = busy_s(os.getpid())
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert busy_s(os.getpid()) - before >= 0.25
        process.communicate()
