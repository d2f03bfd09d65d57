"""A cluster without a browser does not pay for the page."""

from __future__ import annotations

import subprocess
import sys


def loaded(module: str) -> str:
    listed = "[name for name in sys.modules if name.startswith(('fairlead.webui', 'fairlead.explain'))]"
    code = f"import sys, {module}; print({listed})"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_the_control_plane_loads_the_page_at_the_first_request_only() -> None:
    assert loaded("fairlead.apiserver.server, fairlead.cmd.wiring.controlplane, fairlead.cmd.wiring.page") == "[]"
    code = (
        "import sys\n"
        "from fairlead.base.clock import FakeClock\n"
        "from fairlead.cmd.cluster.config import ClusterConfig\n"
        "from fairlead.cmd.wiring.page import LatePages\n"
        "pages = LatePages(ClusterConfig(name='a'), clock=FakeClock(), domain=str)\n"
        "assert pages.user_of({'cookie': 'fairlead-ui-a=b'}) is None\n"
        "print([name for name in sys.modules if name.startswith('fairlead.webui')])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_the_relay_of_the_command_loads_neither_the_site_nor_the_explanations() -> None:
    found = loaded("fairlead.webui.relay, fairlead.cmd.commands.access.ui")
    assert found == "['fairlead.webui', 'fairlead.webui.relay']"
