"""The manual page: every command and flag is in it, and roff reads it without a warning."""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess

import pytest

from fairlead.cmd.commandline.manual import render
from fairlead.cmd.commands import COMMANDS
from fairlead.cmd.main import build_parser, main

PAGE = render(build_parser())


def test_every_command_has_a_section() -> None:
    for command in COMMANDS:
        assert f"\n.SS fairlead {command.name.replace('-', chr(92) + '-')}\n" in PAGE


def test_every_flag_is_described() -> None:
    parser = build_parser()
    subs = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    flags = {
        flag
        for command in subs.choices.values()
        for action in command._actions
        for flag in action.option_strings
        if action.help is not argparse.SUPPRESS and flag not in ("-h", "--help")
    }
    assert len(flags) > 60
    assert [flag for flag in flags if flag.replace("-", "\\-") not in PAGE] == []


def test_the_verbs_of_commands_have_sections_with_their_flags() -> None:
    section = PAGE.partition("\n.SS fairlead image load\n")[2].partition("\n.SS ")[0]
    assert "\\fB\\-\\-tag NAME\\fR\nname for an image" in section
    assert "\n.SS fairlead snapshot restore\n" in PAGE


def test_lines_that_are_typed_keep_their_breaks() -> None:
    section = PAGE.partition("\n.SS fairlead completion\n")[2].partition("\n.SS ")[0]
    assert "\n.nf\nto use it in this shell:\n  bash   source <(fairlead completion bash)\n" in section


def test_the_command_prints_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["man"]) == 0
    assert capsys.readouterr().out == PAGE


@pytest.mark.skipif(not shutil.which("groff"), reason="no groff on this host")
def test_roff_reads_the_page_without_a_warning() -> None:
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-P-c"], input=PAGE, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    shown = re.sub(".\x08", "", done.stdout)  # groff 1.24 prints bold letters twice
    assert "fairlead up" in shown
    assert "without root" in shown
