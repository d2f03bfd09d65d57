"""The counts that may only fall, kept in `ratchet.toml`."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.language.idioms import ratcheted

FILE = Path(__file__).with_name("ratchet.toml")


def read() -> dict[str, dict[str, int]]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def write(found: Mapping[str, Counter[str]]) -> None:
    lines = ["# Banned idioms by package; written by `python -m tests.language --update`. They may only become fewer."]
    for package, counts in found.items():
        lines += ["", f'["{package}"]', *(f'"{name}" = {count}' for name, count in ratcheted(counts).items())]
    FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def risen(found: Mapping[str, Counter[str]], kept: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Says which idioms became more frequent than the ratchet file allows."""
    for package, counts in found.items():
        allowed = kept.get(package, {})
        for name, count in ratcheted(counts).items():
            if count > allowed.get(name, 0):
                yield f"{package}: {name!r} {allowed.get(name, 0)} -> {count}"
