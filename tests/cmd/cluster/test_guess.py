"""The cluster of a command without `--name`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fairlead.cmd.cluster.guess import all_names, guess, running_names
from fairlead.cmd.cluster.paths import paths_of
from fairlead.cmd.cluster.state import Run, start_time
from fairlead.cmd.errors import UsageError


@pytest.fixture(autouse=True)
def state_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "fairlead"


def made(name: str, *, running: bool) -> None:
    paths = paths_of(name)
    paths.root.mkdir(parents=True)
    started = start_time(os.getpid()) or 0
    Run(os.getpid(), started if running else started + 1).write(paths)


def test_without_clusters_the_default_is_meant() -> None:
    assert (all_names(), running_names(), guess("default", deletes=True)) == ([], [], "default")


def test_the_only_running_cluster_is_meant_whatever_else_exists() -> None:
    made("default", running=False)
    made("b", running=True)
    assert (all_names(), running_names()) == (["b", "default"], ["b"])
    assert guess("default", deletes=False) == "b"


def test_the_variable_has_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    made("b", running=True)
    monkeypatch.setenv("FAIRLEAD_NAME", "c")
    assert guess("default", deletes=True) == "c"


def test_of_several_running_clusters_only_the_default_is_a_guess() -> None:
    made("a", running=True)
    made("b", running=True)
    with pytest.raises(UsageError, match=r"several clusters run \(a, b\): choose one with --name"):
        guess("default", deletes=False)
    made("default", running=True)
    assert guess("default", deletes=False) == "default"


def test_a_deletion_is_not_guessed_among_several_clusters() -> None:
    made("a", running=True)
    assert guess("default", deletes=True) == "a"
    made("precious", running=False)
    with pytest.raises(UsageError, match=r"there are several clusters \(a, precious\)"):
        guess("default", deletes=True)


def test_other_files_and_damaged_records_do_not_matter(state_home: Path) -> None:
    made("a", running=True)
    (state_home / ".images").mkdir()
    (state_home / "file").touch()
    (state_home / "b").mkdir()
    (state_home / "b" / "run.json").write_text("{")
    assert (all_names(), running_names()) == (["a", "b"], ["a"])
