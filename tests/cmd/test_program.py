"""The command line that starts the program again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.cmd.program import as_typed, program


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
    monkeypatch.setattr(sys, "argv", ["/x/fairlead/__main__.py", "up"])
    assert program() == f"{sys.executable} -m fairlead"


def test_the_package_can_be_run_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fairlead", "status", "--name", "missing"],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.endswith(f"start it: {sys.executable} -m fairlead up --detach --name missing\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("start it: fairlead up --detach", "start it: P up --detach"),
        ("`fairlead why svc/web` explains; fairlead down && fairlead up", "`P why svc/web` explains; P down && P up"),
        ("see `fairlead --help`", "see `P --help`"),
        ("helm template . | fairlead lint -", "helm template . | P lint -"),
        # The name in other places stays.
        ("nft list table ip fairlead services", "nft list table ip fairlead services"),
        ("uvx fairlead up", "uvx fairlead up"),
        ("/x/bin/fairlead up", "/x/bin/fairlead up"),
        ('context "fairlead-default", fairlead: no', 'context "fairlead-default", fairlead: no'),
        ("pip install fairlead again", "pip install fairlead again"),
    ],
)
def test_commands_in_messages_are_those_that_work_in_the_shell(
    text: str, expected: str, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", [str(installed)])
    monkeypatch.setenv("PATH", "/nowhere")
    assert as_typed(text) == expected.replace("P ", f"{installed} ")
    monkeypatch.setenv("PATH", str(installed.parent))
    assert as_typed(text) == text


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
