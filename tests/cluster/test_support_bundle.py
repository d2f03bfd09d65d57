"""Archives for bug reports, of a running and of a stopped cluster: complete, private and without secrets."""

from __future__ import annotations

import json
import stat
import tarfile
from pathlib import Path

import pytest

from tests.cluster.support import free_port, new_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]
SECRET = "do-not-tell-anyone"


def contents(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        return {
            member.name.partition("/")[2]: archive.extractfile(member).read().decode()  # type: ignore[union-attr]
            for member in archive.getmembers()
        }


@pytest.mark.parametrize("who", ["root", "user"])
def test_an_archive_has_all_but_secrets(who: str) -> None:
    with new_cluster(who) as cluster:
        cluster.up("--nodes", "2", "--api-port", str(free_port()))
        api = cluster.access()
        secret = {"metadata": {"name": "s"}, "stringData": {"k": SECRET}}
        api.call("POST", "/api/v1/namespaces/default/secrets", secret)
        env = [{"name": "DB_PASSWORD", "value": SECRET}]
        containers = [{"name": "a", "image": "nginx", "env": env}]
        api.call(
            "POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": "p"}, "spec": {"containers": containers}}
        )
        target = cluster.home / "bundle.tar.gz"
        done = cluster.fairlead("support-bundle", "--file", str(target))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"wrote {target} (")
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        files = contents(target)
        assert {
            "versions.txt",
            "host.txt",
            "status.json",
            "config.json",
            "files.txt",
            "events.txt",
            "rules.txt",
            "logs/control-plane.log",
            "objects/pods.json",
            "objects/secrets.json",
            "objects/deployments.apps.json",
        } <= set(files)
        assert json.loads(files["status.json"])["running"]
        assert [one["metadata"]["name"] for one in json.loads(files["objects/pods.json"])].count("p") == 1
        assert "# node1, IPv4\n" in files["rules.txt"]
        assert "# node2, IPv4\n" in files["rules.txt"]
        everything = "\n".join(files.values())
        assert SECRET not in everything
        assert "PRIVATE KEY" not in everything
        assert "eyJ" not in everything

        again = cluster.fairlead("support-bundle", "--file", str(target))
        assert (again.returncode, again.stdout) == (1, "")
        assert again.stderr == f"fairlead: {target} exists already: choose another file with --file\n"

        assert cluster.fairlead("down").returncode == 0
        target.unlink()
        assert cluster.fairlead("support-bundle", "--file", str(target)).returncode == 0
        assert "logs/control-plane.log" in contents(target)
        assert not json.loads(contents(target)["status.json"])["running"]
