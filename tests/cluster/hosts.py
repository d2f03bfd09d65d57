"""A network namespace that acts as the host: a test may change its links, addresses and routes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.cluster.support import Cluster, new_cluster, until

PYTHON = "/usr/bin/python3"


@dataclass(frozen=True)
class Namespace:
    pid: int

    @property
    def enter(self) -> tuple[str, ...]:
        return ("nsenter", "-t", str(self.pid), "-n")

    def run(self, *command: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.enter, *command], capture_output=True, text=True, check=False, timeout=timeout_s, cwd="/"
        )

    def ip(self, *arguments: str) -> str:
        done = self.run("ip", *arguments)
        assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def start(self, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen([*self.enter, *command], text=True, stdout=subprocess.PIPE, cwd="/")

    def network(self) -> str:
        """Returns all possible leftovers: links, addresses and routes of both families (without counters and
        lifetimes)."""
        parts = (("link",), ("addr",), ("route", "show", "table", "all"), ("-6", "route", "show", "table", "all"))
        return "\n".join(self.ip("-o", *part) for part in parts)


@contextmanager
def namespace() -> Iterator[Namespace]:
    """Yields a namespace with only a loopback; it ends with the block."""
    with subprocess.Popen(["unshare", "--net", "sleep", "600"]) as holder:
        try:
            mine = Path("/proc/self/ns/net").readlink()
            until("a namespace", lambda: Path(f"/proc/{holder.pid}/ns/net").readlink() != mine)
            made = Namespace(holder.pid)
            made.ip("link", "set", "lo", "up")
            yield made
        finally:
            holder.kill()


def join(one: Namespace, name: str, address: str, other: Namespace, other_name: str, other_address: str) -> None:
    """Connects two namespaces by a veth pair."""
    one.ip("link", "add", name, "type", "veth", "peer", "name", other_name, "netns", str(other.pid))
    for side, link, ip in ((one, name, address), (other, other_name, other_address)):
        side.ip("addr", "add", ip, "dev", link)
        side.ip("link", "set", link, "up")


@contextmanager
def cluster_on(host: Namespace) -> Iterator[Cluster]:
    """Yields a cluster of root, for which the namespace is the machine's network."""
    with new_cluster("root") as made:
        yield replace(made, runner=replace(made.runner, prefix=host.enter))
