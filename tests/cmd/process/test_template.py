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


def after(stages: str) -> set[str]:
    """Returns the modules of a new process that has run these statements."""
    imports = "import json, sys; from fairlead.cmd.process import sandbox, template"
    code = f"{imports}\n{stages}\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return set(json.loads(done.stdout))


def test_the_relay_is_forked_before_the_kinds_and_the_types_of_pods_are_imported() -> None:
    modules = after("template.warm_relay()")
    assert "fairlead.relay.loop" in modules
    assert not modules & {"fairlead.api.kinds", "fairlead.api.core.pod.types", "aiohttp"}


def test_a_new_cluster_imports_no_webhooks_policies_sessions_or_archives() -> None:
    modules = after("template.warm()")
    assert {"fairlead.apiserver.server", "fairlead.node.agent"} <= modules
    late = (
        "fairlead.apiserver.admission.webhooks",
        "fairlead.apiserver.admission.policies",
        "fairlead.node.streaming.",
    )
    present = {name for name in modules if name.startswith(late)}
    assert present == {"fairlead.node.streaming." + name for name in ("kubeletapi", "nodeinfo", "nodelogs", "target")}
    assert not modules & {"fairlead.apiserver.admission.configured", "importlib.resources", "zipfile"}


def test_zygotes_do_not_import_the_modules_that_inspect_code() -> None:
    modules = after("sandbox._import_shared()")
    assert "fairlead.node.runtime.zygote.zygote" in modules
    assert not modules & {"dataclasses", "inspect", "ast"}
