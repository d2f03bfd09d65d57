"""An upgrade of the program's files while a cluster runs is noticed."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fairlead
from fairlead.cmd.cluster import config as settings
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.installation import Installation, installation, upgraded
from fairlead.cmd.cluster.paths import Paths, paths_of
from fairlead.cmd.cluster.state import Run, read_run, start_time
from fairlead.cmd.commands.reporting import status
from fairlead.cmd.program import as_typed


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "site-packages" / "fairlead"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("__version__ = '1'\n")
    return folder


def upgrade(package: Path) -> None:
    """Replaces the package's first file by one of the same size, as pip does."""
    (new := package / "new").write_text("__version__ = '2'\n")
    new.rename(package / "__init__.py")


def test_the_installation_is_that_of_this_program() -> None:
    assert installation().folder == os.path.dirname(fairlead.__file__)
    assert not installation().is_replaced()


def test_replaced_and_removed_files_are_noticed(package: Path) -> None:
    started = installation(str(package))
    assert not started.is_replaced()
    upgrade(package)
    assert started.is_replaced()
    assert not installation(str(package)).is_replaced()
    (package / "__init__.py").unlink()
    assert started.is_replaced()


def test_a_record_of_an_older_release_says_nothing(tmp_path: Path) -> None:
    Run(os.getpid(), start_time(os.getpid()) or 0).write(Paths(tmp_path))
    record = json.loads((tmp_path / "run.json").read_bytes())
    del record["installation"]
    (tmp_path / "run.json").write_text(json.dumps(record))
    run = read_run(Paths(tmp_path))
    assert run is not None
    assert run.installation == Installation()
    assert not run.installation.is_replaced()


def test_the_state_of_a_cluster_says_that_its_program_was_replaced(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    paths = paths_of("blue")
    paths.root.mkdir(parents=True)
    Run(os.getpid(), start_time(os.getpid()) or 0, installation=installation(str(package))).write(paths)

    settings.save(ClusterConfig("blue"), paths)

    def answer(output: str) -> str:
        assert status.run(argparse.Namespace(name="blue", output=output)) == 0
        return capsys.readouterr().out

    assert not json.loads(answer("json"))["upgraded"]
    assert "upgraded" not in answer("")
    upgrade(package)
    assert json.loads(answer("json"))["upgraded"]
    assert as_typed(upgraded("blue")) in answer("").splitlines()


_PROCESS = """
import os, sys
from pathlib import Path
from fairlead.base.clock import RealClock
from fairlead.cmd.cluster.installation import installation
from fairlead.cmd.cluster.paths import Paths
from fairlead.cmd.process.channel import pair
from fairlead.cmd.process.components import Component
from fairlead.cmd.process.pid1 import Pid1

def fail():
    raise ImportError("no name")

started = installation(sys.argv[2])
if sys.argv[3:]:
    os.rename(sys.argv[3], f"{sys.argv[2]}/__init__.py")
ours, theirs = pair()
pid1 = Pid1(theirs, Paths(Path(sys.argv[1])), warm=lambda: None, clock=RealClock(), installation=started)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid1.fork(Component("relay", main=fail)), 0)[1]))
"""


@pytest.mark.parametrize("replaced", [False, True])
def test_the_log_of_a_component_that_fails_after_an_upgrade_ends_with_the_cause(
    package: Path, tmp_path: Path, *, replaced: bool
) -> None:
    paths = Paths(tmp_path / "blue")
    paths.logs.mkdir(parents=True)
    (new := tmp_path / "new").write_text("")
    arguments = [str(paths.root), str(package), *([str(new)] if replaced else [])]
    assert subprocess.run([sys.executable, "-c", _PROCESS, *arguments], check=False).returncode == 1
    lines = paths.log("relay").read_text().splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1] == (upgraded("blue") if replaced else "ImportError: no name")


def test_the_cure_names_the_cluster() -> None:
    cure = "Fairlead was upgraded since this cluster started: run `fairlead down` and `fairlead up`"
    assert upgraded("default") == cure
    assert upgraded("a").endswith(": run `fairlead down --name a` and `fairlead up --name a`")
