"""The first minutes of a user who knows kubectl: types commands in a terminal, and reads only the screen."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cluster.support import Cluster, new_cluster
from tests.cluster.terminal import Terminal, terminal, without_colours
from tests.kubectl.conftest import USERS, find_kubectl

SCRIPT = "#!{python}\nimport sys\nfrom fairlead.cmd.main import main\nsys.exit(main())\n"
"""The program, as an installation makes it."""

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]


@contextmanager
def at_a_terminal(cluster: Cluster) -> Iterator[Terminal]:
    """Yields a new terminal of the user, on whose PATH `fairlead` and `kubectl` are."""
    folder = cluster.home / "bin"
    if not folder.exists():
        folder.mkdir()
        (folder / "fairlead").write_text(SCRIPT.format(python=cluster.runner.python))
        (folder / "fairlead").chmod(0o755)
        shutil.copy(find_kubectl(), folder / "kubectl")
    path = f"{folder}:{cluster.runner.environment.get('PATH', os.environ['PATH'])}"
    environment = {**cluster.runner.environment, "PATH": path}
    environment.pop("KUBECONFIG", None)
    with terminal(cluster.runner.prefix, environment) as made:
        yield made


@pytest.mark.parametrize("who", USERS)
@pytest.mark.skipif(not shutil.which("curl"), reason="no curl on this host")
def test_one_command_leads_to_an_answer_in_a_new_terminal(who: str) -> None:
    with new_cluster(who) as cluster:
        name = cluster.name
        try:
            with at_a_terminal(cluster) as first:
                screen = first.type(f"fairlead demo --name {name}", limit_s=90)
                assert "requests to each Service" in screen, screen
                lines = without_colours(screen).partition("The manifests of examples/")[2].splitlines()
                assert max(map(len, lines)) <= 80, max(lines, key=len)
                command = re.search(r"^nodeport-service +(curl \S+)$", screen, re.MULTILINE)
                assert command is not None, screen
            with at_a_terminal(cluster) as second:
                pods = second.type("kubectl get pods")
                assert pods.count("Running") == 3, pods
                answer = second.type(f"{command[1]} -s")
                assert "webui-" in answer or "nginx" in answer, answer
                services = second.type("fairlead services")
                assert max(map(len, services.splitlines())) <= 80, services
                assert "http://127.0.0.1:" in services
                mistyped = second.type("fairlead satus")
                assert "did you mean `status`?" in mistyped, mistyped
                assert f'cluster "{name}" is down' in second.type(f"fairlead down --purge --name {name}")
                assert "no clusters" in second.type("fairlead list")
        finally:
            cluster.fairlead("down", "--purge")


@pytest.mark.parametrize("who", USERS[-1:])
def test_colours_are_for_terminals_and_no_color_switches_them_off(who: str) -> None:
    with new_cluster(who) as cluster, at_a_terminal(cluster) as shell:
        shell.type("printf 'kind: ConfigMap\\napiVersion: v1\\nmetadata: {nam: a}\\n' > m.yaml")
        coloured = shell.type("fairlead lint m.yaml")
        assert "\x1b[31m" in coloured
        for line in ("NO_COLOR=1 fairlead lint m.yaml", "fairlead lint m.yaml | cat"):
            assert "\x1b[" not in shell.type(line)
