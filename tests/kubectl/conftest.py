"""A cluster for each module and user, and the real kubectl configured for it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.support import ROOT, Cluster, free_port, new_cluster, published_port

EXAMPLES = ROOT / "examples"
USERS = ["root", "user"] if os.getuid() == 0 else ["user"]


@dataclass(frozen=True)
class Kubectl:
    """kubectl against one cluster, run by the cluster's user."""

    cluster: Cluster
    binary: str
    manifests: Path
    node_port: int

    def try_(self, *arguments: str, timeout_s: float = 180) -> subprocess.CompletedProcess[str]:
        runner = self.cluster.runner
        environment = runner.environment | {
            "KUBECONFIG": str(self.cluster.state / "kubeconfig"),
            "HOME": str(self.cluster.home),
        }
        command = [*runner.prefix, self.binary, *arguments]
        return subprocess.run(
            command,
            env=environment,
            cwd=self.manifests,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )

    def __call__(self, *arguments: str, timeout_s: float = 180) -> str:
        done = self.try_(*arguments, timeout_s=timeout_s)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def on_node(self, node: str, *command: str) -> subprocess.CompletedProcess[str]:
        return self.cluster.fairlead("shell", node, "--", *command)


def find_kubectl() -> str:
    """Returns the kubectl on the PATH. Versions before 1.27 read the API's description in protobuf only, which
    Fairlead does not write."""
    binary = shutil.which("kubectl")
    if binary is None:
        pytest.skip("no kubectl on the PATH")
    command = [binary, "version", "--client", "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    version = json.loads(done.stdout)["clientVersion"]
    if int(re.sub(r"\D", "", version["minor"])) < 27:
        pytest.skip(f"kubectl {version['gitVersion']} is too old: 1.27 or later is needed")
    return binary


@pytest.fixture(scope="module", params=USERS)
def kubectl(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    binary = find_kubectl()
    with new_cluster(request.param) as cluster:
        manifests, port = cluster.home / "manifests", published_port()
        manifests.mkdir()
        for source in EXAMPLES.glob("*.yaml"):
            (manifests / source.name).write_text(source.read_text().replace("30200", str(port)))
        cluster.up("--nodes", "3", "--api-port", str(free_port()))
        yield Kubectl(cluster, binary, manifests, port)
