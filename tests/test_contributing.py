"""CONTRIBUTING.md, SECURITY.md and docs/measurements.md name files, programs and targets that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ("CONTRIBUTING.md", "SECURITY.md", "docs/measurements.md", "README.md")
_PATH = re.compile(r"\b((?:fairlead|tests|docs|bench|tools)/[\w./-]*)(<)?")
_PROGRAM = re.compile(r"python -m ((?:bench|tests)[\w.]*)")
_TARGET = re.compile(r"\bmake ([a-z-]+)")
_CITED = re.compile(r"docs/measurements\.md,\s+(\d+)")
_CLAIM = re.compile(r"\bMeasured:")


@pytest.mark.parametrize("doc", DOCS)
def test_every_path_program_and_target_that_is_named_exists(doc: str) -> None:
    text = (ROOT / doc).read_text(encoding="utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    missing = []
    for path, placeholder in _PATH.findall(text):
        # Of `tests/apiserver/test_<kind>.py` the folder has to be there.
        found = ROOT / (path.rpartition("/")[0] if placeholder else path.rstrip(".,"))
        # Image names look like paths.
        if not found.exists() and path.rstrip(".,") not in ("fairlead/web", "fairlead/dns"):
            missing.append(path)
    modules = [module for module in _PROGRAM.findall(text) if not _module(module)]
    targets = [target for target in _TARGET.findall(text) if not re.search(rf"^{target}:", makefile, re.MULTILINE)]
    assert (missing, modules, targets) == ([], [], [])


def _module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__main__.py").exists()


def test_every_section_of_the_measurements_that_a_comment_cites_exists() -> None:
    text = (ROOT / "docs/measurements.md").read_text(encoding="utf-8")
    sections = set(re.findall(r"^## (\d+)\.", text, re.MULTILINE))
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "fairlead").rglob("*.py")]
    cited = {number for source in sources for number in _CITED.findall(source)}
    assert cited
    assert cited <= sections
    assert [source[:80] for source in sources if _CLAIM.search(source) and not _CITED.search(source)] == []
