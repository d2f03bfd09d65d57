"""The cluster's folder: private, locked by one, and right about what lives."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest

from fairlead.cmd import state
from fairlead.cmd.errors import CommandError
from fairlead.cmd.state import Component, NodeRecord, Paths, Run


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
    assert paths.run.stat().st_mode & 0o777 == 0o600
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
def test_a_damaged_run_file_says_nothing_where_nothing_runs_and_else_how_to_end_it(tmp_path: Path, text: str) -> None:
    paths = Paths(tmp_path)
    paths.run.write_text(text)
    assert state.read_run(paths) is None
    held = state.try_lock(paths)
    assert held is not None
    with pytest.raises(CommandError, match=r"is damaged .* fuser -k"):
        state.read_run(paths)
    os.close(held)


def test_without_a_home_folder_nothing_is_made_in_the_working_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", "~")
    with pytest.raises(CommandError, match="set HOME or XDG_STATE_HOME"):
        state.state_home()


def test_a_state_folder_that_cannot_be_is_told_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/" + "x" * 300)
    with pytest.raises(CommandError, match="File name too long; set XDG_STATE_HOME"):
        state.paths_of("c")


def test_a_file_that_the_disk_has_no_room_for_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "f"
    state.write_private(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, hard))
    try:
        with pytest.raises(CommandError, match="File too large; make room"):
            state.write_private(path, b"longer")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]


def test_the_lock_is_one_process_s_until_its_descriptor_is_closed(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    held = state.try_lock(paths)
    assert held is not None
    assert state.try_lock(paths) is None
    os.close(held)
    again = state.wait_lock(paths, 1.0)
    assert again is not None
    os.close(again)


def test_a_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    state.make_private(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    state.make_private(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_purge_opens_what_overlay_left_closed(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "c")
    closed = paths.root / "nodes" / "work"
    (closed / "inner").mkdir(parents=True)
    (closed / "inner" / "file").touch()
    (closed / "inner").chmod(0)
    closed.chmod(0)
    state.purge(paths)
    assert not paths.root.exists()


def test_the_state_home_is_where_the_specification_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/x")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert state.state_home() == Path("/home/x/.local/state/fairlead")
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert state.state_home() == Path("/home/x/.local/state/fairlead")
    monkeypatch.setenv("XDG_STATE_HOME", "/var/s")
    assert state.state_home() == Path("/var/s/fairlead")
