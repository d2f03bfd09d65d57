"""A real etcd cluster for tests: members as processes on loopback, data in a temporary folder."""

from __future__ import annotations

import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from fairlead.store.etcd.members import Target
from fairlead.store.etcd.store import EtcdStore
from fairlead.store.model import Delete

PROGRAM = shutil.which("etcd") or "etcd"
_READY_S = 60.0
_TRIES = 5


class Member:
    """One process; `kill` and `start` it as often as wanted."""

    def __init__(
        self, name: str, folder: Path, *, client: int, peer: int, tls: Sequence[str], flags: Sequence[str]
    ) -> None:
        self.name = name
        self.client = client
        self.peer = peer
        self._folder = folder
        self._tls = tls
        self._flags = flags
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def scheme(self) -> str:
        return "https" if self._tls else "http"

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.client}"

    def start(self, initial: str) -> None:
        url, peer = f"{self.scheme}://{self.endpoint}", f"http://127.0.0.1:{self.peer}"
        command = [
            PROGRAM, "--name", self.name, "--data-dir", str(self._folder / self.name),
            "--listen-client-urls", url, "--advertise-client-urls", url,
            "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", initial, "--initial-cluster-state", "new",
            "--heartbeat-interval", "50", "--election-timeout", "500", "--log-level", "error",
            *self._tls, *self._flags,
        ]  # fmt: skip
        log = (self._folder / f"{self.name}.log").open("ab")
        with log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """Ends the process as a crash would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


class EtcdCluster:
    """Members that found each other."""

    def __init__(self, members: list[Member]) -> None:
        self.members = members

    @property
    def address(self) -> str:
        scheme = self.members[0].scheme
        return f"etcd+{scheme}://" + ",".join(m.endpoint for m in self.members)

    def start(self) -> None:
        for member in self.members:
            if not member.running:
                member.start(self.initial)

    @property
    def initial(self) -> str:
        return ",".join(f"{m.name}=http://127.0.0.1:{m.peer}" for m in self.members)

    def stop(self) -> None:
        for member in self.members:
            member.kill()


@contextmanager
def etcd_cluster(
    folder: Path, size: int, *, tls: Sequence[str] = (), flags: Sequence[str] = ()
) -> Iterator[EtcdCluster]:
    """Runs a cluster of `size` members until the block ends. `tls`: flags that make it serve HTTPS."""
    for attempt in range(_TRIES):
        ports = _free_ports(2 * size)
        place = folder / f"try{attempt}"
        place.mkdir()
        members = [
            Member(f"m{i}", place, client=ports[2 * i], peer=ports[2 * i + 1], tls=tls, flags=flags)
            for i in range(size)
        ]
        cluster = EtcdCluster(members)
        try:
            cluster.start()
            if _listening(cluster):
                yield cluster
                return
        finally:
            cluster.stop()
    raise RuntimeError(f"etcd did not start: {(place / 'm0.log').read_text()[-2000:]}")


def _free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago; another process may take one, so the caller tries again."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def _listening(cluster: EtcdCluster) -> bool:
    """Waits until every member accepts connections; False if one ended instead."""
    deadline = time.monotonic() + _READY_S
    for member in cluster.members:
        while True:
            if not member.running or time.monotonic() > deadline:
                return False
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", member.client)) == 0:
                    break
            time.sleep(0.02)
    return True


def leader_of(cluster: EtcdCluster, context: ssl.SSLContext | None = None) -> Member:
    """Returns the member that leads (its metric `etcd_server_is_leader`); waits for an election."""
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline:
        for member in cluster.members:
            url = f"{member.scheme}://{member.endpoint}/metrics"
            try:
                with urllib.request.urlopen(url, timeout=5, context=context) as answer:
                    if b"\netcd_server_is_leader 1" in answer.read():
                        return member
            except OSError:
                continue
        time.sleep(0.05)
    raise RuntimeError("no member leads")


@asynccontextmanager
async def open_etcd(cluster: EtcdCluster, *, fresh: bool = False) -> AsyncIterator[EtcdStore]:
    """Opens the cluster's store; with `fresh`, after deleting all keys."""
    targets = [Target(m.endpoint) for m in cluster.members]
    store = await EtcdStore.open(targets, timeout_s=30)
    try:
        if fresh:
            records = (await store.list("/")).records
            for start in range(0, len(records), 100):
                await store.txn([], [Delete(r.key) for r in records[start : start + 100]])
        yield store
    finally:
        await store.close()
