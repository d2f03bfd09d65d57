"""The command line that starts the program again."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fairlead.cmd.program import program


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    path = tmp_path / "bin" / "fairlead"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_hint_is_the_plain_name_if_the_shell_finds_the_program(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [str(installed)])
    monkeypatch.setenv("PATH", str(installed.parent))
    assert program() == "fairlead"


def test_else_it_is_typed_as_it_was_called(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(installed)])
    monkeypatch.setenv("PATH", "/nowhere")
    assert program() == str(installed)
    monkeypatch.chdir(installed.parent.parent)
    assert program() == "bin/fairlead"


def test_a_module_is_run_by_its_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/x/fairlead/cmd/main.py", "up"])
    assert program() == f"{sys.executable} -m fairlead.cmd.main"


@pytest.mark.parametrize(
    ("prefix", "typed"),
    [
        ("/home/me/.cache/uv/archive-v0/GhQ8", "uvx fairlead"),
        ("/home/me/.cache/uv/environments-v2/fairlead-12", "uvx fairlead"),
        ("/home/me/.local/share/pipx/.cache/5f2c", "pipx run fairlead"),
        ("/home/me/.local/pipx/.cache/5f2c", "pipx run fairlead"),
        ("/home/me/.local/share/uv/tools/fairlead", None),
        ("/home/me/.local/share/pipx/venvs/fairlead", None),
    ],
)
def test_a_program_that_was_run_once_from_a_cache_is_run_the_same_way_again(
    installed: Path, monkeypatch: pytest.MonkeyPatch, prefix: str, typed: str | None
) -> None:
    monkeypatch.setattr(sys, "argv", [str(installed)])
    monkeypatch.setattr(sys, "prefix", prefix)
    monkeypatch.setenv("PATH", str(installed.parent))
    assert program() == (typed or "fairlead")
