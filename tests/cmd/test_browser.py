"""The browser that `fairlead open` and `fairlead ui` open, by the variables of the environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_OPEN = "import sys; from fairlead.cmd.browser import open_page; print(open_page(sys.argv[1]))"
_URL = "http://127.0.0.1:8081"


def opened(**variables: str) -> str:
    environment = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ} | variables
    command = [sys.executable, "-c", _OPEN, _URL]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def test_the_program_of_the_variable_opens_the_page_without_a_desktop(tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text('#!/bin/sh\nprintf %s "$1" > "${0%/*}/page"\n')
    browser.chmod(0o755)
    assert opened(BROWSER=str(browser)) == "True"
    assert (tmp_path / "page").read_text() == _URL


def test_nothing_is_opened_without_a_desktop_and_without_a_browser() -> None:
    assert opened() == "False"


@pytest.mark.parametrize("program", ["/bin/false", "/nonexistent"])
def test_a_program_that_fails_has_not_opened_the_page(program: str) -> None:
    assert opened(BROWSER=program, PATH="") == "False"
