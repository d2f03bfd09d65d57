"""Names that several components know stand in one place."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import fairlead
from fairlead.api.core.service import predicates
from fairlead.api.core.topology import labels
from fairlead.service import wellknown

ROOT = Path(fairlead.__file__).parent


def literals(path: Path) -> set[object]:
    return {node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)}


@pytest.mark.slow
def test_a_well_known_name_is_written_once() -> None:
    names = {value for key, value in vars(wellknown).items() if key.isupper()}
    names |= {predicates.TOPOLOGY_HINTS, predicates.TOPOLOGY_MODE, predicates.AFFINITY_TIMEOUT_S}
    assert len(names) > 12
    home = {Path(module.__file__ or "") for module in (wellknown, predicates, labels)}
    found = {(name, path) for path in ROOT.rglob("*.py") if path not in home for name in names & literals(path)}
    assert not found
