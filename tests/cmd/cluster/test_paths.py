"""The cluster's folder: its path, and files that are private and written whole or not at all."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest

from fairlead.cmd.cluster import paths
from fairlead.cmd.errors import CommandError


def test_without_a_home_folder_nothing_is_made_in_the_working_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setenv("HOME", "~")
    with pytest.raises(CommandError, match="set HOME or XDG_STATE_HOME"):
        paths.state_home()


def test_the_error_for_an_unusable_state_folder_has_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/" + "x" * 300)
    with pytest.raises(CommandError, match="File name too long; set XDG_STATE_HOME"):
        paths.paths_of("c")


def test_a_file_that_the_disk_has_no_room_for_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "f"
    paths.write_private(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, hard))
    try:
        with pytest.raises(CommandError, match="File too large; make room"):
            paths.write_private(path, b"longer")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]


def test_a_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    paths.make_private(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    paths.make_private(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_the_state_home_is_where_the_specification_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/x")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert paths.state_home() == Path("/home/x/.local/state/fairlead")
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert paths.state_home() == Path("/home/x/.local/state/fairlead")
    monkeypatch.setenv("XDG_STATE_HOME", "/var/s")
    assert paths.state_home() == Path("/var/s/fairlead")


def test_a_file_is_overwritten_in_place_as_far_as_it_has_blocks(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b'{"a": 1}')
    assert paths.overwrite(path, b"{}")
    assert path.read_bytes() == b"{}      "
    assert not paths.overwrite(path, b"x" * (path.stat().st_blocks * 512 + 1))
    assert not paths.overwrite(tmp_path / "absent", b"x")
