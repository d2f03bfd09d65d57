"""A story's file: a script, then named sections, as in Go's txtar.

# A comment.
apply web.yaml
-- web.yaml --
...
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_MARK = re.compile(r"^-- (\S+) --\n", re.MULTILINE)


@dataclass
class Archive:
    script: str
    sections: dict[str, str]
    """Name to text, in the file's order."""

    def commands(self) -> list[tuple[int, str]]:
        """Returns the lines of the script with their numbers, without comments and blank lines."""
        lines = [(number, line.strip()) for number, line in enumerate(self.script.splitlines(), 1)]
        return [(number, line) for number, line in lines if line and not line.startswith("#")]

    def render(self) -> str:
        return self.script + "".join(f"-- {name} --\n{text}" for name, text in self.sections.items())


def parse(text: str) -> Archive:
    script, *rest = _MARK.split(text)
    return Archive(script, dict(zip(rest[::2], rest[1::2], strict=True)))


def read(path: Path) -> Archive:
    return parse(path.read_text(encoding="utf-8"))
