"""kubectl for tests of a whole cluster."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from typing import Any

from tests.cluster.support import Cluster, until


class Kubectl:
    """kubectl with the cluster's kubeconfig."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    def __call__(self, words: str, text: str = "") -> str:
        return self.run(words.split(), text)

    def refusal(self, words: str) -> str:
        """Returns the error of a command that must fail."""
        done = self._run(words.split(), "")
        assert done.returncode != 0, f"kubectl {words}: {done.stdout}"
        return done.stderr

    def run(self, words: Sequence[str], text: str = "") -> str:
        done = self._run(words, text)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def _run(self, words: Sequence[str], text: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"KUBECONFIG": str(self.cluster.state / "kubeconfig")}
        return subprocess.run(
            ["kubectl", *words],
            env=environment,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    def pods(self, app: str) -> list[dict[str, Any]]:
        """Returns the pods that are not terminating, by name."""
        path = f"/api/v1/namespaces/default/pods?labelSelector=app%3D{app}"
        found: list[dict[str, Any]] = self.cluster.access().call("GET", path)["items"]
        alive = [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]
        return sorted(alive, key=lambda pod: str(pod["metadata"]["name"]))

    def versions(self, app: str) -> list[str]:
        return [pod["spec"]["containers"][0]["env"][0]["value"] for pod in self.pods(app)]

    def kill_control_plane(self) -> None:
        pid = self.cluster.component("control-plane")["pid"]
        os.kill(pid, signal.SIGKILL)
        until("another control plane", lambda: self.cluster.component("control-plane")["pid"] not in (pid, 0))
        until("the API", lambda: self.cluster.access().call("GET", "/api/v1/namespaces/default/pods"))
