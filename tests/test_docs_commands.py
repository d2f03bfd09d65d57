"""Every command of Fairlead in README and docs is one that the program understands: its name, verbs and flags.

Pages whose commands stand in `sh` blocks are run as well (`tests/cluster/guide.py`), and so are those of images, stores
and other machines, in the surroundings that they need (`tests/cluster/pages.py`); this holds all.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.cmd.commands import COMMANDS
from fairlead.cmd.main import build_parser, parse

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_PROGRAM = re.compile(r"(?:^|[|&;] ?|\$\()(?:[A-Z_]+=\S+ )*(?:\.venv/bin/|uvx |pipx run )?fairlead ([^|&;)]*)")
_PLACEHOLDER = re.compile(r"\[|…|\.\.\.|\b[A-Z]{3,}\b|\||<")
"""Marks of a synopsis, which cannot be typed as it is."""


def lines_of(page: Path) -> Iterator[str]:
    """Yields the lines of code: indented ones and those between fences, continued lines joined."""
    fenced, held = False, ""
    for line in page.read_text().splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
            continue
        if not fenced and not line.startswith("    "):
            continue
        text = held + line.strip().removeprefix("$ ")
        held = f"{text[:-1].strip()} " if text.endswith("\\") else ""
        if not held:
            yield re.sub(r"\s{2,}#.*$", "", text)


def command_lines(page: Path) -> list[list[str]]:
    matches = (match[1] for line in lines_of(page) for match in _PROGRAM.finditer(line))
    texts = (one.replace("$$", "1").partition(" > ")[0] for one in matches if not _PLACEHOLDER.search(one))
    return [words for one in texts if (words := shlex.split(one, comments=True))]


CASES = [(page.name, words) for page in PAGES for words in command_lines(page)]


def test_the_pages_have_many_commands() -> None:
    assert len(CASES) > 60
    assert len({page for page, _ in CASES}) > 12


@pytest.mark.parametrize(
    ("page", "words"), CASES, ids=lambda value: " ".join(value) if isinstance(value, list) else value
)
def test_every_command_line_of_the_docs_is_understood(page: str, words: list[str], tmp_path: Path) -> None:
    assert words[0] in {command.name for command in COMMANDS} | {"--version", "--help"}, page
    if words[0].startswith("-"):
        return
    args = parse(words)
    assert args.command == words[0]


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [one.name for one in COMMANDS if f"`fairlead {one.name}" not in readme] == []


def test_the_parser_of_all_commands_can_be_built() -> None:
    assert build_parser().prog == "fairlead"
