"""The start before anything runs: the API's port, and what lies in the cluster's folder."""

from __future__ import annotations

import multiprocessing
import os
import socket
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import pytest

from fairlead.base.clock import RealClock
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.lock import purge, try_lock
from fairlead.cmd.cluster.merging import FlagValues
from fairlead.cmd.cluster.paths import paths_of
from fairlead.cmd.cluster.state import Run, start_time
from fairlead.cmd.errors import CommandError
from fairlead.cmd.process.starting import bind_api, prepare


@pytest.mark.parametrize("node_ports", [(6443, 65535), (2000, 65535), (1, 60000)])
def test_the_api_gets_a_port_outside_the_node_ports_however_wide_they_are(node_ports: tuple[int, int]) -> None:
    sock, config = bind_api(ClusterConfig("c", node_port_range=node_ports), explicit=False, report=print)
    with sock:
        assert sock.getsockname()[1] == config.api_port
        assert not node_ports[0] <= config.api_port <= node_ports[1]


def test_a_damaged_store_is_reported_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    paths = paths_of("c")
    paths.root.mkdir(parents=True)
    paths.store.write_bytes(b"rubbish" * 100)
    with pytest.raises(CommandError, match=r"store.db is damaged .* down --purge --name c"):
        prepare("c", FlagValues(), print, clock=RealClock())


ROUNDS = 50


def start_at_once(together: Barrier, outcomes: Queue[str], over: Event) -> None:
    """Does what `fairlead up` does until it holds the folder; the winner keeps it until the end of the round."""
    together.wait()
    try:
        prepared = prepare("c", FlagValues(api_port=None), lambda _: None, clock=RealClock())
    except CommandError as e:
        outcomes.put(str(e))
        return
    Run(os.getpid(), start_time(os.getpid()) or 0).write(prepared.paths)
    outcomes.put("")
    over.wait()


@pytest.mark.slow
@pytest.mark.parametrize("starts", [2, 4])
def test_of_several_starts_at_once_one_wins_and_the_others_touch_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, starts: int
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    paths = paths_of("c")
    context = multiprocessing.get_context("fork")
    for _ in range(ROUNDS):
        together, over, outcomes = context.Barrier(starts), context.Event(), context.Queue()
        processes = [context.Process(target=start_at_once, args=(together, outcomes, over)) for _ in range(starts)]
        for process in processes:
            process.start()
        try:
            told = sorted(outcomes.get() for _ in processes)
            files = set(os.listdir(paths.root))
        finally:
            over.set()
            for process in processes:
                process.join()
        assert told[0] == ""
        assert all('cluster "c" is already running (pid ' in text and "\n" not in text for text in told[1:])
        assert files == {"lock", "logs", "config.json", "run.json"}
        lock = try_lock(paths)
        assert lock is not None
        purge(paths)
        os.close(lock)
    assert os.listdir(tmp_path / "fairlead") == []


def test_a_start_that_fails_leaves_an_older_folder_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    paths = paths_of("c")
    paths.logs.mkdir(parents=True)
    with pytest.raises(CommandError, match="is in use"), socket.create_server(("127.0.0.1", 0)) as taken:
        prepare("c", FlagValues(api_port=taken.getsockname()[1]), print, clock=RealClock())
    assert paths.logs.exists()


def test_a_start_that_fails_takes_its_new_folder_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(CommandError, match="is in use"), socket.create_server(("127.0.0.1", 0)) as taken:
        prepare("c", FlagValues(api_port=taken.getsockname()[1]), print, clock=RealClock())
    assert os.listdir(tmp_path / "fairlead") == []
