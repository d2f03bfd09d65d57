"""The real kubectl against an API server on a memory store: a loopback port, and certificates made for the session.

The server's clock stands still, so that every AGE is `0s` and output can be compared byte by byte.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fairlead.apiserver.server import ApiServer

from .harness import start
from .https import make_certificates, serving

KUBECTL = Path(shutil.which("kubectl") or "/usr/bin/kubectl")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificates(tmp_path_factory.mktemp("pki"))


@dataclass(frozen=True)
class Kubectl:
    home: Path

    def run(
        self, *arguments: str, stdin: str = "", namespace: str = "default", editor: str = ""
    ) -> subprocess.CompletedProcess[str]:
        environment = {
            "KUBE_EDITOR": editor,
            "HOME": str(self.home),
            "KUBECONFIG": str(self.home / "kubeconfig"),
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        }
        command = [str(KUBECTL), "-n", namespace, *arguments]
        return subprocess.run(
            command,
            input=stdin,
            env=environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    def __call__(self, *arguments: str, stdin: str = "", namespace: str = "default") -> str:
        """Returns the output; the command must succeed."""
        done = self.run(*arguments, stdin=stdin, namespace=namespace)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def file(self, name: str, text: str) -> str:
        (self.home / name).write_text(text)
        return name


async def _start() -> ApiServer:
    return (await start()).server


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    if not KUBECTL.exists():
        pytest.skip("no kubectl")
    home = tmp_path_factory.mktemp("kubectl")
    with serving(_start, home):
        yield Kubectl(home)
