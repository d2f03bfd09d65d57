"""No module imports itself through others, also not inside functions or for the type checker alone.

The import contract `circles` compares folders beside each other; a package and a module in it are compared here.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import grimp
import pytest


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Returns the modules of the first circle, or an empty list."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as e:
        return list(e.args[1])
    return []


@pytest.mark.slow
def test_no_module_is_part_of_a_circle_of_imports() -> None:
    graph = grimp.build_graph("fairlead", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 1000
    assert circle(imports) == []


def test_the_check_finds_a_circle_of_a_package_and_its_module() -> None:
    assert set(circle({"a": {"a.b"}, "a.b": {"c"}, "c": {"a"}})) == {"a", "a.b", "c"}
