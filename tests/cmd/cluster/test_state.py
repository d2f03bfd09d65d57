"""The contents of `run.json`, and whether they are still true."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from fairlead.cmd.cluster import state
from fairlead.cmd.cluster.lock import try_lock
from fairlead.cmd.cluster.paths import Paths
from fairlead.cmd.cluster.processes import find_supervisor
from fairlead.cmd.cluster.state import Component, NodeRecord, Run
from fairlead.cmd.errors import CommandError


def run_of(pid: int, started: int) -> Run:
    component = Component("agent-node1", pid, started, restarts=2, node="node1")
    nodes = [NodeRecord("node1", ["172.30.0.11"], ["10.244.1.0/24"])]
    return Run(pid, started, api="https://127.0.0.1:6443", nodes=nodes, components=[component])


def my_start() -> int:
    started = state.start_time(os.getpid())
    assert started is not None
    return started


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    assert state.read_run(paths) is None
    run = run_of(os.getpid(), my_start())
    run.write(paths)
    assert state.read_run(paths) == run
    assert paths.run_file.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["run.json"]


def test_a_pid_that_another_process_got_is_not_alive() -> None:
    assert run_of(os.getpid(), my_start()).alive()
    assert not run_of(os.getpid(), my_start() - 1).alive()


def test_a_zombie_is_not_alive() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert state.start_time(pid) is None
    os.waitpid(pid, 0)


@pytest.mark.parametrize("text", ["", '{"pid": 1', "[]", "{}", '"x"', "null", '{"nodes": [{}], "components": []}'])
def test_a_damaged_run_file_is_ignored_if_nothing_runs_and_else_explains_how_to_stop(tmp_path: Path, text: str) -> None:
    paths = Paths(tmp_path)
    paths.run_file.write_text(text)
    assert state.read_run(paths) is None
    held = try_lock(paths)
    assert held is not None
    with pytest.raises(CommandError, match=r"is damaged .* fuser -k"):
        state.read_run(paths)
    os.close(held)


def test_a_command_that_holds_the_lock_is_not_taken_for_a_supervisor(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    held = try_lock(paths)
    assert held is not None
    assert state.read_run(paths) is None
    assert find_supervisor(paths) == 0
    os.close(held)


def test_a_run_file_of_another_version_is_understood_as_far_as_it_goes(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    component = {"name": "relay", "pid": 7, "startTime": 9, "colour": "red"}
    tree = {"pid": os.getpid(), "startTime": my_start(), "future": [1], "components": [component]}
    paths.run_file.write_text(json.dumps(tree))
    run = state.read_run(paths)
    assert run == Run(os.getpid(), my_start(), components=[Component("relay", 7, 9)])
    assert run.alive()
