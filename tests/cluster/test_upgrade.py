"""Clusters of older releases go on under this one. `tools/keep-state` made their folders by the code of each."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fairlead.cmd.cluster.stateversion import STATE_VERSION
from tests.cluster.support import ORDINARY_UID, Cluster, free_port, new_cluster, until

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

STATES = sorted(Path(__file__).with_name("states").glob("*.tar.xz"))


@pytest.fixture(params=["root", "user"])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with new_cluster(request.param) as another:
        cluster = replace(another, name="old")
        try:
            yield cluster
        finally:
            cluster.fairlead("down", "--purge")


def unpack(archive: Path, cluster: Cluster) -> Path:
    """Puts a folder of an older release into the place of the cluster's."""
    folder = cluster.home / "fairlead"
    with tarfile.open(archive) as packed:
        packed.extraction_filter = lambda member, _: member  # Python 3.12 warns without one
        packed.extractall(folder)
    config = json.loads((cluster.state / "config.json").read_text())
    (cluster.state / "config.json").write_text(json.dumps(config | {"api_port": free_port()}))
    if cluster.runner.prefix:  # an ordinary user's
        for path in (folder, *folder.rglob("*")):
            os.chown(path, ORDINARY_UID, ORDINARY_UID, follow_symlinks=False)
    return cluster.state


def test_there_is_a_state_of_an_older_release() -> None:
    assert len(STATES) >= 3


@pytest.mark.parametrize("archive", STATES, ids=lambda path: path.name.partition(".")[0])
def test_a_cluster_of_an_older_release_goes_on(cluster: Cluster, archive: Path) -> None:
    state = unpack(archive, cluster)
    cluster.up()
    for turn in range(2):  # and again, as a cluster of this release
        access = cluster.access()
        shop = "/api/v1/namespaces/shop"
        assert access.call("GET", f"{shop}/configmaps/settings")["data"] == {"greeting": "hello"}
        assert access.call("GET", f"{shop}/secrets/token")["data"] == {"token": "czNjcmV0"}
        assert access.call("GET", f"{shop}/services/web")["spec"]["clusterIP"] == "10.96.77.77"
        assert {n["metadata"]["name"] for n in access.call("GET", "/api/v1/nodes")["items"]} == {"node1", "node2"}

        def answered() -> bool:
            done = cluster.fairlead("shell", "node2", "--", "bash", "-c", ASK)
            return "Pod web-" in done.stdout

        until("the Service answers", answered)
        assert json.loads((state / "config.json").read_text())["state"] == STATE_VERSION
        if not turn:
            assert cluster.fairlead("down").returncode == 0
            cluster.up()


ASK = "exec 3<>/dev/tcp/10.96.77.77/80 && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && cat <&3"


def test_a_cluster_of_a_newer_release_is_refused_and_can_be_deleted(cluster: Cluster) -> None:
    state = unpack(STATES[-1], cluster)
    config = json.loads((state / "config.json").read_text())
    (state / "config.json").write_text(json.dumps(config | {"state": STATE_VERSION + 1, "fairlead": "9.0"}))
    before = {path: path.read_bytes() for path in (state / "config.json", state / "store.db")}
    refused = cluster.fairlead("up", "--detach")
    assert refused.returncode == 1
    assert refused.stderr.startswith(f'fairlead: cluster "{cluster.name}" was written by a newer release, fairlead 9.0')
    assert refused.stderr.count("\n") == 1
    assert {path: path.read_bytes() for path in before} == before
    assert cluster.fairlead("down", "--purge").returncode == 0
    assert not state.exists()
