"""The walks in docs/architecture.md name functions that exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_STEP = re.compile(r"`([a-z0-9_/]+):([A-Za-z_.]+)`")


def steps() -> list[tuple[str, str]]:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    _, _, walks = text.partition("## Four walks")
    return _STEP.findall(walks.partition("\n## ")[0])


def steps_of(walk: str) -> list[str]:
    """Returns the steps of one walk as `module:function`."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    _, found, rest = text.partition(f"**{walk}**")
    assert found, walk
    return [":".join(step) for step in _STEP.findall(rest.partition("\n**")[0])]


def names_of(path: Path) -> Iterator[str]:
    """Yields the functions of a module, methods with their class."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}.{inner.name}"


def test_there_are_four_walks_with_steps() -> None:
    assert len(steps()) > 30


@pytest.mark.parametrize(("module", "function"), steps())
def test_a_step_names_a_function_that_exists(module: str, function: str) -> None:
    assert function in set(names_of(ROOT / "fairlead" / f"{module}.py"))
