"""Checks everything that a zygote imports; the import contracts name only what is known."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
_LIST = """
import sys
sys.path.insert(0, sys.argv[1])
before = set(sys.modules)
import fairlead.node.runtime.zygote.zygote
print(*sorted(set(sys.modules) - before))
"""
_ALLOWED = {
    "fairlead.base.clock",
    "fairlead.base.codec",
    "fairlead.base.dataclass",
    "fairlead.base.instant",
    "fairlead.base.limits",
    "fairlead.base.listing",
    "fairlead.base.numbers",
    "fairlead.net.fsfd",
    "fairlead.net.linux",
}


def test_a_zygote_imports_the_standard_library_system_calls_and_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", _LIST, str(ROOT)], capture_output=True, text=True, check=True, timeout=60
    )
    modules = done.stdout.split()
    own = {name for name in modules if name.startswith("fairlead.") and not name.startswith("fairlead.node.runtime")}
    packages = {"fairlead.base", "fairlead.net", "fairlead.node"}
    assert own <= packages | _ALLOWED
    foreign = {name.partition(".")[0] for name in modules} - sys.stdlib_module_names - {"fairlead"}
    assert foreign == set()
    assert "asyncio" not in modules
