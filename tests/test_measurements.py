"""Comments that cite docs/measurements.md name a section that exists, and the document names programs that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "measurements.md").read_text(encoding="utf-8")
SECTIONS = set(re.findall(r"^## (\d+)\.", DOCUMENT, re.MULTILINE))
_CITED = re.compile(r"docs/measurements\.md(?:,\s+(\d+))?")
_CLAIM = re.compile(r"\bMeasured:")


def sources() -> dict[str, str]:
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in ROOT.glob("fairlead/**/*.py")}


def test_each_cited_section_exists() -> None:
    cited = {name: _CITED.findall(text) for name, text in sources().items() if "docs/measurements.md" in text}
    assert cited
    assert {name: sections for name, sections in cited.items() if not set(sections) <= SECTIONS} == {}


def test_each_claim_of_a_measurement_cites_the_document() -> None:
    claims = [name for name, text in sources().items() if _CLAIM.search(text) and "docs/measurements.md" not in text]
    assert claims == []


def test_each_named_program_exists() -> None:
    programs = set(re.findall(r"python\s+-m\s+bench\.(\w+)", DOCUMENT))
    assert programs
    assert {name for name in programs if not (ROOT / "bench" / f"{name}.py").exists()} == set()
