"""Controllers of kinds that few clusters use cost nothing before the first object."""

from __future__ import annotations

import subprocess
import sys

import pytest

_NAMES = """
import sys
import fairlead.controllers.registry
import fairlead.controllers.storage.provisioning.loop
import fairlead.scheduler.loop
for name in (
    "apps.daemonset",
    "apps.statefulset",
    "apps.controllerrevision",
    "policy.poddisruptionbudget",
    "core.persistentvolume",
    "core.persistentvolumeclaim",
    "storage.storageclass",
    "storage.csinode",
):
    if f"fairlead.api.{name}.kind" in sys.modules:
        print(name)
"""


@pytest.mark.slow
def test_the_types_of_sets_budgets_and_volumes_are_not_imported_before_the_first_of_them_exists() -> None:
    done = subprocess.run([sys.executable, "-c", _NAMES], capture_output=True, text=True, check=True)
    assert done.stdout == ""
