"""The real kubectl against an API server on a memory store: a loopback port, and certificates made for the session.

The server's clock stands still, so that every AGE is `0s` and output can be compared byte by byte.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fairlead.base.clock import RealClock
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.wiring import pki

from .harness import start

KUBECTL = Path(shutil.which("kubectl") or "/usr/bin/kubectl")
_KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: test
clusters: [{{name: test, cluster: {{server: "https://127.0.0.1:{port}", certificate-authority: {pki}/ca.crt}}}}]
users: [{{name: test, user: {{client-certificate: {pki}/admin.crt, client-key: {pki}/admin.key}}}}]
contexts: [{{name: test, context: {{cluster: test, user: test}}}}]
"""


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    config, clock = ClusterConfig("test"), RealClock()
    pki.make(pki.missing(config, folder, clock=clock), folder, clock=clock)
    return folder


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


def _serve(folder: Path, sock: socket.socket, up: threading.Event, loop: asyncio.AbstractEventLoop) -> None:
    """Runs the server in a thread."""

    async def main() -> None:
        api = await start()
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(folder / "ca.crt"))
        tls.load_cert_chain(folder / "apiserver.crt", folder / "apiserver.key")
        tls.verify_mode = ssl.CERT_OPTIONAL
        await api.server.serve([sock], tls)
        up.set()
        try:
            await asyncio.Event().wait()
        finally:
            await api.server.stop()

    try:
        loop.run_until_complete(main())
    except asyncio.CancelledError:
        pass
    finally:
        loop.close()


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    if not KUBECTL.exists():
        pytest.skip("no kubectl")
    home = tmp_path_factory.mktemp("kubectl")
    folder, clock = home / "pki", RealClock()
    folder.mkdir()
    pki.make(pki.missing(ClusterConfig("test"), folder, clock=clock), folder, clock=clock)
    sock = socket.create_server(("127.0.0.1", 0))
    (home / "kubeconfig").write_text(_KUBECONFIG.format(port=sock.getsockname()[1], pki=folder))
    up, loop = threading.Event(), asyncio.new_event_loop()
    thread = threading.Thread(target=_serve, args=(folder, sock, up, loop))
    thread.start()
    try:
        assert up.wait(20), "the server did not start"
        yield Kubectl(home)
    finally:
        loop.call_soon_threadsafe(_cancel_all, loop)
        thread.join(20)
