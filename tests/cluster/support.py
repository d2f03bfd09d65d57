"""A cluster of the test: by the command line, as root or as an ordinary user; all is taken down afterwards."""

from __future__ import annotations

import atexit
import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, TypeVar

import pytest

from bench.cluster import Access, descendants, read_access

R = TypeVar("R")
ROOT = Path(__file__).parents[2]
ORDINARY_UID = 64111
"""An unused user id without a name, a home or rights; a process simply gets the number."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as s:
        return int(s.getsockname()[1])


def free_node_port() -> int:
    """Returns a port of the node port range that is free on the host now."""
    for port in range(30000 + os.getpid() % 2000, 32768):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    pytest.fail("no free node port on this host")


def published_port() -> int:
    """Returns the node port of the examples, 30200, or another if 30200 is in use on this host."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", 30200))
        except OSError:
            return free_node_port()
    return 30200


def until(what: str, probe: Callable[[], R], *, limit_s: float = 120) -> R:
    """Returns the probe's first true answer; on timeout fails with `what` and the last error. A probe may fail by an
    assertion, as a command does that is not answered yet."""
    end = time.monotonic() + limit_s
    last = ""
    while time.monotonic() < end:
        try:
            found = probe()
        except (OSError, RuntimeError, http.client.HTTPException, ValueError, AssertionError) as e:
            # Its text only: the error itself and this frame would refer to each other, and keep its socket open
            # until some later test.
            last = repr(e)
        else:
            if found:
                return found
            last = repr(found)
        time.sleep(0.02)
    pytest.fail(f"{what}: not within {limit_s} s; last: {last}")


def in_one_of(attempts: int, attempt: Callable[[], None]) -> None:
    """Repeats a measurement until all its assertions hold. A busy machine may stop any process for seconds, but not in
    every attempt. Fails like the last attempt. The attempt must restore what it changes."""
    for _ in range(attempts - 1):
        with contextlib.suppress(AssertionError):
            attempt()
            return
    attempt()


@dataclass(frozen=True)
class Runner:
    """The way to run a command: the user, the interpreter, the packages."""

    prefix: tuple[str, ...]
    python: str
    environment: dict[str, str]

    def command(self, *arguments: str) -> list[str]:
        return [*self.prefix, self.python, "-m", "fairlead.cmd.main", *arguments]

    def start(self, command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(command, env=self.environment, text=True, cwd="/", **options)

    def run(self, command: Sequence[str], *, timeout_s: float = 180) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=timeout_s, cwd="/"
        )


@dataclass(frozen=True)
class Cluster:
    name: str
    home: Path
    runner: Runner

    def fairlead(self, command: str, *arguments: str, timeout_s: float = 180) -> subprocess.CompletedProcess[str]:
        return self.runner.run(self.runner.command(command, "--name", self.name, *arguments), timeout_s=timeout_s)

    def up(self, *arguments: str) -> None:
        done = self.fairlead("up", "--detach", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr

    @property
    def state(self) -> Path:
        return self.home / "fairlead" / self.name

    @property
    def user_kubeconfig(self) -> Path:
        """The kubeconfig of the test's user, to which `up` adds a context."""
        return self.home / ".kube" / "config"

    def access(self) -> Access:
        return read_access(self.state / "kubeconfig")

    def status(self) -> dict[str, Any]:
        done = self.fairlead("status", "-o", "json")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def component(self, name: str) -> dict[str, Any]:
        return next(c for c in self.status()["components"] if c["name"] == name)

    def processes(self) -> list[int]:
        return descendants(self.status()["pid"])


def root_runner(home: Path) -> Runner:
    environment = os.environ | {
        "HOME": str(home),
        "KUBECONFIG": "",
        "XDG_STATE_HOME": str(home),
        "PYTHONPATH": str(ROOT),
    }
    return Runner((), sys.executable, environment)


def readable_by(uid: int, path: Path) -> bool:
    test = [
        "setpriv",
        f"--reuid={uid}",
        f"--regid={uid}",
        "--clear-groups",
        "test",
        "-r",
        str(path),
        "-a",
        "-x",
        str(path),
    ]
    return subprocess.run(test, check=False).returncode == 0


@cache
def readable_copy(packages: Path) -> Path:
    """Returns a folder with Fairlead and its dependencies, for users who cannot read the checkout; made once a run."""
    folder = Path(tempfile.mkdtemp(prefix="fairlead-test-copy-"))
    atexit.register(_remove, folder, os.getpid())
    folder.chmod(0o755)
    shutil.copytree(ROOT / "fairlead", folder / "fairlead")
    for name in sorted((_needed("fairlead") | _needed("aetcd") | _needed("pytest")) - {"fairlead"}):
        for top in {file.parts[0] for file in distribution(name).files or () if file.parts[0] != ".."}:
            source = packages / top
            if source.is_dir():
                shutil.copytree(source, folder / top, dirs_exist_ok=True)
            elif source.exists():
                shutil.copy(source, folder / top)
    for metadata in packages.glob("fairlead-*.dist-info"):  # the entry point of the plug-in for pytest
        shutil.copytree(metadata, folder / metadata.name)
    return folder


def _remove(folder: Path, maker: int) -> None:
    if os.getpid() == maker:
        shutil.rmtree(folder, ignore_errors=True)


def _needed(name: str, known: frozenset[str] = frozenset()) -> frozenset[str]:
    """Returns the installed distributions that one needs at run time, including itself."""
    try:
        requirements = distribution(name).requires or []
    except PackageNotFoundError:
        return known
    known |= {name}
    for line in requirements:
        required = re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]
        if "extra ==" not in line and required not in known:
            known = _needed(required, known)
    return known


def ordinary_runner(home: Path) -> Runner:
    """Returns a runner for an ordinary user with the system's python3. Uses a copy if others cannot read the
    checkout."""
    if os.getuid() != 0:
        return root_runner(home)
    system = Path("/usr/bin/python3")
    if not shutil.which("setpriv") or not system.exists():
        pytest.skip("no setpriv or no system python3 to be an ordinary user with")
    packages = next(p for p in map(Path, sys.path) if p.name == "site-packages" and (p / "msgspec").exists())
    version = subprocess.run(
        [system, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True, check=True
    )
    if version.stdout.strip() != str(sys.version_info[:2]):
        pytest.skip(f"the system's python3 is {version.stdout.strip()}, the packages are for {sys.version_info[:2]}")
    source = ROOT
    if not (readable_by(ORDINARY_UID, ROOT / "fairlead") and readable_by(ORDINARY_UID, packages / "msgspec")):
        source = packages = readable_copy(packages)
    os.chown(home, ORDINARY_UID, ORDINARY_UID)
    prefix = ("setpriv", f"--reuid={ORDINARY_UID}", f"--regid={ORDINARY_UID}", "--clear-groups")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "XDG_STATE_HOME": str(home),
        "PYTHONPATH": f"{source}:{packages}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "FAIRLEAD_UPSTREAM": "none",
        "FAIRLEAD_REGISTRIES": "none",
    }
    return Runner(prefix, str(system), environment)


RUNNERS: dict[str, Callable[[Path], Runner]] = {"root": root_runner, "user": ordinary_runner}


@contextmanager
def new_cluster(who: str = "root") -> Iterator[Cluster]:
    """Yields a cluster's name and empty state directory; afterwards the cluster is taken down and purged."""
    home = Path(tempfile.mkdtemp(prefix="fairlead-test-"))
    try:
        home.chmod(0o755)
        cluster = Cluster("t" + home.name[-6:].lower().replace("_", "x"), home, RUNNERS[who](home))
        try:
            yield cluster
        finally:
            cluster.fairlead("down", "--purge")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _answers(cluster: Cluster, node: str, address: str, port: int) -> bool:
    """Returns whether a request from a node is answered: its proxy may learn of Pods after they are Ready."""
    ask = f"import urllib.request as r; r.urlopen('http://{address}:{port}', timeout=10).close()"
    return cluster.fairlead("shell", node, "--", cluster.runner.python, "-c", ask).returncode == 0


@contextmanager
def traffic(
    cluster: Cluster, node: str, address: str = "10.96.7.7", port: int = 80, *, clients: int = 1
) -> Iterator[dict[str, Any]]:
    """Sends requests from a node, of which the first is answered, while the block lasts; afterwards the dictionary has
    the results."""
    until(f"an answer at {address}:{port} on {node}", lambda: _answers(cluster, node, address, port))
    script = cluster.home / "traffic.py"
    shutil.copy(ROOT / "bench" / "traffic.py", script)
    script.chmod(0o644)
    words = (cluster.runner.python, str(script), address, str(port), str(clients))
    command = cluster.runner.command("shell", "--name", cluster.name, node, "--", *words)
    process = cluster.runner.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    report: dict[str, Any] = {}
    try:
        yield report
    finally:
        out, err = process.communicate("", timeout=120)
        report.update(json.loads(out) if out else {"failures": [err], "answers": {}})


def host_footprint() -> dict[str, str]:
    """Returns all possible leftovers of a cluster on the host: interfaces, mounts, routes."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return {
        "interfaces": " ".join(sorted(os.listdir("/sys/class/net"))),
        "mounts": "\n".join(sorted(mounts)),
        "routes": Path("/proc/net/route").read_text(),
    }
