"""Every command of docs/getting-started.md, typed in its order."""

from __future__ import annotations

import re
import shutil
import socket

import pytest

from tests.cluster.support import ROOT, new_cluster
from tests.kubectl.conftest import USERS, find_kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

GUIDE = ROOT / "docs" / "getting-started.md"
WRAPPER = '#!/bin/sh\nexec {python} -m fairlead.cmd.main "$@"\n'


def snippets() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("who", USERS)
def test_every_snippet_of_the_guide_works(who: str) -> None:
    find_kubectl()
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 30200)) == 0:
            pytest.skip("something serves the example's node port on this host")
    with new_cluster(who) as cluster:
        folder = cluster.home / "bin"
        folder.mkdir()
        (folder / "fairlead").write_text(WRAPPER.format(python=cluster.runner.python))
        (folder / "fairlead").chmod(0o755)
        shutil.copytree(ROOT / "examples", cluster.home / "examples")
        # The guide's cluster is the default one of this test's own state folder.
        script = "\n".join(["set -eo pipefail", f'PATH="{folder}:$PATH"', f"cd {cluster.home}", *snippets()])
        try:
            done = cluster.runner.run([*cluster.runner.prefix, "bash", "-c", script], timeout_s=120)
        finally:
            cluster.runner.run(cluster.runner.command("down", "--purge"))
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Pod webui-" in done.stdout
        assert "host://" in done.stdout
        assert "clusterip-service" in done.stdout.partition("is down")[2]
