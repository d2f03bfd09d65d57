"""The modules that the template imports before it forks each component."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

import pytest

from fairlead.cmd.process import template
from fairlead.cmd.wiring import agent, controlplane, relay

_LOAD = """
import json, sys
from importlib import import_module
for name in sys.argv[1:]:
    import_module(name)
print(json.dumps([name for name in sys.modules if name.startswith("fairlead.")]))
"""


def loaded(names: Sequence[str]) -> set[str]:
    """Returns the project's modules that a new process has imported after it has imported these."""
    done = subprocess.run([sys.executable, "-c", _LOAD, *names], capture_output=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("component", [controlplane, agent], ids=["control-plane", "agent"])
def test_the_common_modules_are_imported_by_the_control_plane_and_by_agents(component: object) -> None:
    assert loaded(template.COMMON) <= loaded(component.WARM)  # type: ignore[attr-defined]


def test_modules_of_one_component_are_not_imported_before_the_fork_of_another() -> None:
    early = loaded((*relay.WARM, *template.COMMON))
    assert not {name for name in early if name.startswith(("fairlead.apiserver", "fairlead.node.", "fairlead.proxy"))}
