"""Counts by package."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.language.idioms import count
from tests.language.texts import texts_of

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "bench",
    "tests",
    *sorted(f"fairlead/{p.parent.name}" for p in (ROOT / "fairlead").glob("*/__init__.py")),
)


def count_package(package: str) -> Counter[str]:
    """Counts the files of a package and of those below it."""
    return count(text for path in sorted((ROOT / package).rglob("*.py")) for text in texts_of(path))


def count_all() -> dict[str, Counter[str]]:
    return {package: count_package(package) for package in PACKAGES}
