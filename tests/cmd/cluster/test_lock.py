"""The lock of a cluster's folder: one holder, and nothing deleted that another command holds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fairlead.cmd.cluster.lock import purge, try_lock, wait_lock
from fairlead.cmd.cluster.paths import Paths


def test_the_lock_is_one_process_s_until_its_descriptor_is_closed(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    held = try_lock(paths)
    assert held is not None
    assert try_lock(paths) is None
    os.close(held)
    again = wait_lock(paths, 1.0)
    assert again is not None
    os.close(again)


def test_purge_opens_what_overlay_left_closed(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "c")
    closed = paths.root / "nodes" / "work"
    (closed / "inner").mkdir(parents=True)
    (closed / "inner" / "file").touch()
    (closed / "inner").chmod(0)
    closed.chmod(0)
    purge(paths)
    assert not paths.root.exists()


def test_a_lock_on_a_purged_folder_is_no_lock(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "c")
    paths.root.mkdir()
    held = try_lock(paths)
    assert held is not None
    purge(paths)
    with pytest.raises(FileNotFoundError):
        try_lock(paths)
    paths.root.mkdir()
    other = try_lock(paths)
    assert other is not None, "the folder's successor is free"
    os.close(held)
    os.close(other)


def test_a_waiting_command_does_not_take_the_lock_of_a_deleted_folder(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "c")
    paths.root.mkdir()
    held = try_lock(paths)
    assert held is not None
    waiting = os.fork()
    if waiting == 0:
        try:
            os.close(held)
            wait_lock(paths, 30)
        except FileNotFoundError:
            os._exit(3)
        finally:
            os._exit(4)
    purge(paths)
    os.close(held)
    assert os.waitstatus_to_exitcode(os.waitpid(waiting, 0)[1]) == 3


def test_purge_takes_the_rest_of_an_interrupted_one(tmp_path: Path) -> None:
    left = tmp_path / ".c.purged.1" / "nodes"
    left.mkdir(parents=True)
    paths = Paths(tmp_path / "c")
    paths.root.mkdir()
    purge(paths)
    assert os.listdir(tmp_path) == []
