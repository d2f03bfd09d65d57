"""The prose of Python files: docstrings, and comments that are not instructions to a tool."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TOOL_COMMENT = re.compile(r"#\s*(noqa|type:|fmt:|ruff:|mypy:|pragma|!)")
_CODE_SPAN = re.compile(r"`[^`]*`")
_WORD = re.compile(r"[A-Za-z][A-Za-z']*")


@dataclass(frozen=True, slots=True)
class Text:
    path: Path
    line: int
    text: str
    docstring: bool

    @property
    def prose(self) -> str:
        """The text without code between backquotes."""
        return _CODE_SPAN.sub(" ", self.text)

    @property
    def words(self) -> list[str]:
        return _WORD.findall(self.prose)


def texts_of(path: Path) -> Iterator[Text]:
    """Yields the docstrings and the comments of a file."""
    source = path.read_text(encoding="utf-8")
    yield from _docstrings(path, source)
    yield from _comments(path, source)


def _docstrings(path: Path, source: str) -> Iterator[Text]:
    """Strings that stand alone as a statement: docstrings of modules, classes and functions, and of attributes."""
    for node in ast.walk(ast.parse(source)):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        for statement in body:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                text = statement.value.value
                if isinstance(text, str):
                    yield Text(path, statement.lineno, text.strip(), docstring=True)


def _comments(path: Path, source: str) -> Iterator[Text]:
    """Comments; those on consecutive lines are one text."""
    start, lines = 0, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or _TOOL_COMMENT.match(token.string):
            continue
        line = token.start[0]
        if lines and line != start + len(lines):
            yield Text(path, start, " ".join(lines), docstring=False)
            lines = []
        if not lines:
            start = line
        lines.append(token.string.lstrip("# ").rstrip())
    if lines:
        yield Text(path, start, " ".join(lines), docstring=False)
