"""Modules, functions and folders stay small enough to be read at once."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
MOST_LINES = 500
MOST_LINES_OF_A_FUNCTION = 60
MOST_MODULES_OF_A_FOLDER = 25
EXCEPTIONS: set[str] = set()
"""Modules (`fairlead/a/b.py`) and functions (`fairlead/a/b.py:name`) that may be longer. The set should stay empty."""


def too_many_lines(path: Path) -> Iterator[str]:
    if path.read_text(encoding="utf-8").count("\n") > MOST_LINES:
        yield str(path.relative_to(ROOT))


def too_long() -> Iterator[str]:
    for path in sorted((ROOT / "fairlead").rglob("*.py")):
        name, text = str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        yield from too_many_lines(path)
        functions = (
            node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        )
        for function in functions:
            if (function.end_lineno or 0) - function.lineno >= MOST_LINES_OF_A_FUNCTION:
                yield f"{name}:{function.name}"


def test_no_module_has_more_than_500_lines_and_no_function_more_than_60() -> None:
    assert set(too_long()) == EXCEPTIONS


def test_no_module_of_tests_has_more_than_500_lines() -> None:
    assert [name for path in sorted((ROOT / "tests").rglob("*.py")) for name in too_many_lines(path)] == []


def test_no_folder_has_more_than_25_modules() -> None:
    modules = [path for path in (ROOT / "fairlead").rglob("*.py") if path.name != "__init__.py"]
    folders = Counter(str(path.parent.relative_to(ROOT)) for path in modules)
    assert {folder: count for folder, count in folders.items() if count > MOST_MODULES_OF_A_FOLDER} == {}
