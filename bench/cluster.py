"""A throw-away cluster for benchmarks: brought up by the command line, talked to over its own API socket."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FAIRLEAD = (sys.executable, "-m", "fairlead.cmd.main")


@dataclass(frozen=True)
class Access:
    """Address of the API and credentials."""

    port: int
    tls: ssl.SSLContext

    def connect(self, timeout_s: float = 10) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=self.tls, timeout=timeout_s)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Sends one JSON request. Raises RuntimeError if the answer is an error."""
        connection = self.connect()
        try:
            headers = {"Content-Type": "application/json", "Connection": "close"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            raw = answer.read()
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status} {raw[:200]!r}")
            return json.loads(raw)
        finally:
            connection.close()


def read_access(kubeconfig: Path) -> Access:
    """The server's port and a TLS context with the client certificate of a kubeconfig."""
    tree = yaml.safe_load(kubeconfig.read_text())
    cluster, user = tree["clusters"][0]["cluster"], tree["users"][0]["user"]
    context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    with tempfile.NamedTemporaryFile("wb", suffix=".pem") as pem:
        pem.write(base64.b64decode(user["client-certificate-data"]))
        pem.write(base64.b64decode(user["client-key-data"]))
        pem.flush()
        context.load_cert_chain(pem.name)
    return Access(int(cluster["server"].rsplit(":", 1)[1]), context)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as s:
        return int(s.getsockname()[1])


@dataclass(frozen=True)
class Cluster:
    name: str
    home: Path
    environment: dict[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*FAIRLEAD, *arguments, "--name", self.name]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)

    @property
    def state(self) -> Path:
        return self.home / "fairlead" / self.name

    def access(self) -> Access:
        return read_access(self.state / "kubeconfig")

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("status", "-o", "json").stdout)
        return found


@contextmanager
def fresh_cluster(name: str = "bench") -> Iterator[Cluster]:
    """Yields a new name and state directory; everything started under the name is taken down and purged."""
    with tempfile.TemporaryDirectory(prefix="fairlead-bench-") as home:
        own = {"XDG_STATE_HOME": home, "KUBECONFIG": f"{home}/user-kubeconfig", "FAIRLEAD_UPSTREAM": "none"}
        cluster = Cluster(name, Path(home), os.environ | own)
        try:
            yield cluster
        finally:
            cluster.run("down", "--purge")


def descendants(pid: int) -> list[int]:
    """Returns the process and its descendants, from the kernel's lists."""
    found = [pid]
    for parent in found:
        try:
            for task in os.listdir(f"/proc/{parent}/task"):
                children = Path(f"/proc/{parent}/task/{task}/children").read_text()
                found += [int(c) for c in children.split()]
        except OSError:
            continue
    return found


def pss_kib(pid: int) -> int:
    """Proportional set size: shared pages are counted once over all who share them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def process_name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return "?"


def wait_until(what: str, probe: Any, *, limit_s: float = 60, every_s: float = 0.005) -> float:
    """Polls until the probe is true and returns the moment it was; raises TimeoutError past the limit."""
    end = time.perf_counter() + limit_s
    while time.perf_counter() < end:
        if probe():
            return time.perf_counter()
        time.sleep(every_s)
    raise TimeoutError(what)
