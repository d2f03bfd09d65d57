"""Every command of docs/proxy.md, typed in its order."""

from __future__ import annotations

import re

import pytest

from tests.cluster.support import ROOT, new_cluster
from tests.kubectl.conftest import USERS, find_kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

GUIDE = ROOT / "docs" / "proxy.md"


@pytest.mark.parametrize("who", USERS[:1])
def test_every_snippet_works(who: str) -> None:
    find_kubectl()
    snippets = re.findall(r"^```sh\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    with new_cluster(who) as cluster:
        folder = cluster.home / "bin"
        folder.mkdir()
        (folder / "fairlead").write_text(f'#!/bin/sh\nexec {cluster.runner.python} -m fairlead.cmd.main "$@"\n')
        (folder / "fairlead").chmod(0o755)
        script = "\n".join(["set -eo pipefail", f'PATH="{folder}:$PATH"', f"cd {cluster.home}", *snippets])
        try:
            done = cluster.runner.run([*cluster.runner.prefix, "bash", "-c", script], timeout_s=120)
        finally:
            cluster.runner.run(cluster.runner.command("down", "--purge"))
        assert done.returncode == 0, done.stdout + done.stderr
        assert '"nodeEligible": true' in done.stdout
        assert 'kubeproxy_sync_proxy_rules_last_timestamp_seconds{ip_family="IPv4"}' in done.stdout
        assert '"serviceProxyHealthy": true' in done.stdout
