"""The kubectl that users type: on the PATH, too old, missing, or installed with Fairlead."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.cmd import kubectl
from fairlead.cmd.main import main
from fairlead.cmd.program import program


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that alone is on the PATH, with /bin for the interpreter of scripts."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def put(folder: Path, output: str) -> Path:
    path = folder / "kubectl"
    path.write_text(f"#!/bin/sh\necho '{output}'\n")
    path.chmod(0o755)
    return path


def version(minor: str) -> str:
    return f'{{"clientVersion": {{"major": "1", "minor": "{minor}"}}}}'


@pytest.mark.parametrize(("minor", "old"), [("20", True), ("27+", True), ("28", False), ("37", False)])
def test_a_kubectl_before_1_28_is_reported_with_the_remedy(on_path: Path, minor: str, old: bool) -> None:
    path = put(on_path, version(minor))
    text = kubectl.advice()
    assert bool(text) == old
    if old:
        assert text.startswith(f"{path} is too old (1.{minor.rstrip('+')}; 1.28 or later is needed); use `")
        assert text.endswith(" kubectl`")


@pytest.mark.parametrize("output", ["", "[]", "{}", '{"clientVersion": 7}', version("new")])
def test_a_kubectl_that_does_not_report_its_version_is_left_alone(on_path: Path, output: str) -> None:
    assert kubectl.minor_version(str(put(on_path, output))) is None
    assert kubectl.advice() == ""


def test_a_current_kubectl_is_asked_once_and_anew_after_a_change(on_path: Path) -> None:
    (on_path / "state" / "fairlead").mkdir(parents=True)
    asked = on_path / "asked"
    path = put(on_path, version("30"))
    path.write_text(path.read_text() + f"echo x >> {asked}\n")
    assert (kubectl.advice(), kubectl.advice()) == ("", "")
    assert asked.read_text() == "x\n"
    put(on_path, version("20"))
    assert "is too old (1.20;" in kubectl.advice()
    assert "is too old (1.20;" in kubectl.advice(), "an old one is asked each time"


def test_a_damaged_memo_and_a_missing_home_do_not_matter(on_path: Path) -> None:
    put(on_path, version("30"))
    assert kubectl.advice() == ""
    assert not (on_path / "state").exists(), "nothing is made for the memo alone"
    (on_path / "state" / "fairlead").mkdir(parents=True)
    (on_path / "state" / "fairlead" / ".kubectl").write_bytes(b"\xff")
    assert kubectl.advice() == ""


def test_without_a_kubectl_on_the_path_the_installed_one_is_named(on_path: Path) -> None:
    assert kubectl.advice() == ""
    assert kubectl.typed().endswith(" kubectl")
    put(on_path, version("30"))
    assert kubectl.typed() == "kubectl"


def test_the_installed_kubectl_is_current() -> None:
    path = kubectl.bundled()
    assert path is not None
    minor = kubectl.minor_version(path)
    assert minor is not None
    assert minor >= kubectl.OLDEST_MINOR


def test_fairlead_kubectl_needs_a_cluster_only_to_talk_to_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert main(["kubectl", "get", "pods"]) == 1
    assert capsys.readouterr().err == f'fairlead: there is no cluster "default"; start it: {program()} up --detach\n'
    command = ["-m", "fairlead.cmd.main", "kubectl", "version", "--client", "-o", "json"]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=True)
    assert '"clientVersion"' in done.stdout
