"""A cluster whose objects are in an etcd of three members, with TLS and client certificates."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.cluster import Access
from tests.cluster.pages import block
from tests.cluster.support import Cluster, free_port, new_cluster, until
from tests.store.etcd import EtcdCluster, etcd_cluster, leader_of
from tests.store.pki import Pki, make_pki

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

USERS = ["root", "user"] if os.getuid() == 0 else ["user"]
ADDRESSES = "etcd+https://10.0.0.1:2379,10.0.0.2:2379,10.0.0.3:2379"
MAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


@dataclass(frozen=True)
class World:
    cluster: Cluster
    etcd: EtcdCluster
    pki: Pki
    flags: tuple[str, ...]

    def up(self) -> Access:
        self.cluster.up("--api-port", str(free_port()), *self.flags)
        return self.cluster.access()


@pytest.fixture(params=USERS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    pki = make_pki(tmp_path)
    with etcd_cluster(tmp_path, 3, tls=pki.server_flags) as etcd, new_cluster(request.param) as cluster:
        files = {"ca.crt": pki.ca, "client.crt": pki.client, "client.key": pki.client_key}
        for name, pem in files.items():
            path = cluster.home / name
            path.write_bytes(pem)
            path.chmod(0o644)
        here = {name: str(cluster.home / name) for name in files} | {ADDRESSES: etcd.address}
        yield World(cluster, etcd, pki, tuple(here.get(word, word) for word in page_flags()))


def page_flags() -> list[str]:
    """Returns the flags of `fairlead up` that docs/store.md shows for an etcd with TLS."""
    lines = block("store.md", "--etcd-cafile").replace("\\\n", "").splitlines()
    return shlex.split(next(line for line in lines if ADDRESSES in line))[2:]


def names(api: Access) -> set[str]:
    return {m["metadata"]["name"] for m in api.call("GET", MAPS)["items"]}


class Writer(threading.Thread):
    """Creates ConfigMaps one after the other and records which were acknowledged."""

    def __init__(self, api: Access) -> None:
        super().__init__(daemon=True)
        self._api = api
        self._stopping = threading.Event()
        self.acknowledged: list[str] = []

    def run(self) -> None:
        number = 0
        while not self._stopping.is_set():
            name = f"w{number}"
            number += 1
            try:
                self._api.call("POST", MAPS, {"metadata": {"name": name}})
            except (OSError, RuntimeError):
                continue
            self.acknowledged.append(name)

    def stop(self) -> None:
        self._stopping.set()
        self.join(60)


def test_the_leaders_death_loses_no_acknowledged_write_and_a_restart_finds_all_objects(world: World) -> None:
    api = world.up()
    writer = Writer(api)
    writer.start()
    until("first writes", lambda: len(writer.acknowledged) > 20)
    leader = leader_of(world.etcd, world.pki.context())
    leader.kill()
    before = len(writer.acknowledged)
    until("writes after the leader's death", lambda: len(writer.acknowledged) > before + 20)
    relay = until("the way to etcd", lambda: _store_relay(world.cluster))
    os.kill(relay, signal.SIGKILL)
    before = len(writer.acknowledged)
    until("writes after the relay's death", lambda: len(writer.acknowledged) > before + 20)
    writer.stop()
    assert set(writer.acknowledged) <= names(api)
    leader.start(world.etcd.initial)
    world.cluster.fairlead("down")
    again = world.up()
    assert set(writer.acknowledged) <= names(again)
    assert not (world.cluster.state / "store.db").exists()


def _store_relay(cluster: Cluster) -> int:
    """Returns the pid of the supervisor's child beside the sandbox."""
    supervisor = cluster.status()["pid"]
    found = subprocess.run(
        ["ps", "-o", "pid=,comm=", "--ppid", str(supervisor)], capture_output=True, text=True, check=True
    )
    children = [line.split(None, 1) for line in found.stdout.splitlines()]
    others = [int(pid) for pid, comm in children if comm != "fairlead-ns"]
    return others[0] if others else 0


def test_a_cluster_keeps_its_kind_of_store_and_names_what_stays_in_etcd(world: World) -> None:
    world.up()
    world.cluster.fairlead("down")
    done = world.cluster.fairlead("up", "--detach", "--store", "sqlite")
    assert done.returncode == 2
    assert "keeps its objects in etcd+https://" in done.stderr
    done = world.cluster.fairlead("down", "--purge")
    assert f"its objects stay in {world.etcd.address}" in done.stdout


def test_an_etcd_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with new_cluster("root" if os.getuid() == 0 else "user") as cluster:
        done = cluster.fairlead("up", "--detach", "--store", "etcd+http://127.0.0.1:1")
        assert done.returncode == 1
        assert "etcd at 127.0.0.1:1: " in done.stderr
