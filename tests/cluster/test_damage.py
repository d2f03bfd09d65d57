"""A start with damaged files names the file or object, and the cure, in one line."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.cluster.support import RUNNERS, Cluster, free_port, new_cluster

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def stopped() -> Iterator[Cluster]:
    with new_cluster() as cluster:
        cluster.up("--api-port", str(free_port()))
        for number in range(50):
            body = {"metadata": {"name": f"m{number}"}, "data": {"a": "x" * 1000}}
            cluster.access().call("POST", MAPS, body)
        assert cluster.fairlead("down").returncode == 0
        yield cluster


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """Returns the one line on stderr of a failed start."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "ends again and again" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("who", RUNNERS)
def test_a_cluster_whose_record_is_lost_is_still_listed_inspected_and_stopped(who: str) -> None:
    with new_cluster(who) as cluster:
        cluster.up("--nodes", "2", "--api-port", str(free_port()))
        before = cluster.status()
        for text in (None, "{", "null"):
            (cluster.state / "run.json").unlink(missing_ok=True)
            if text is not None:
                (cluster.state / "run.json").write_text(text)
                (cluster.state / "run.json").chmod(0o644)
            assert {**cluster.status(), "components": 0} == {**before, "components": 0}
            found = {c["name"]: (c["pid"], c.get("node")) for c in cluster.status()["components"]}
            assert found == {c["name"]: (c["pid"], c.get("node")) for c in before["components"]}
            assert (
                f'"name": "{cluster.name}",\n    "state": "running"'
                in cluster.runner.run(cluster.runner.command("list", "-o", "json")).stdout
            )
        assert cluster.fairlead("shell", "node2", "--", "hostname").stdout == "node2\n"
        again = cluster.fairlead("up", "--detach")
        assert f"is already running (pid {before['pid']})" in again.stderr
        assert cluster.fairlead("down").stdout == f'cluster "{cluster.name}" is down\n'
        assert '"state": "stopped"' in cluster.runner.run(cluster.runner.command("list", "-o", "json")).stdout


def test_an_unreadable_object_is_named_with_what_removes_it(stopped: Cluster) -> None:
    store = stopped.state / "store.db"
    with sqlite3.connect(store) as db:
        (key,) = db.execute("select key from object where key like '%configmaps/default/m7'").fetchone()
        db.execute(
            "update version set value = ? where id = (select version from object where key = ?)", (b"rubbish", key)
        )
    db.close()
    line = refusal(stopped.fairlead("up", "--detach"))
    assert f'object "{key}" is unreadable (not a ConfigMap as JSON)' in line
    assert f"sqlite3 {store} \"delete from object where key = '...'\"" in line
    with sqlite3.connect(store) as db:
        db.execute("delete from object where key = ?", (key,))
    db.close()
    stopped.up()
    assert len(stopped.access().call("GET", MAPS)["items"]) == 50  # 49, and the certificate authority's


def test_the_error_for_a_damaged_page_of_the_store_names_the_file(stopped: Cluster) -> None:
    store = stopped.state / "store.db"
    size = store.stat().st_size
    with open(store, "r+b") as f:
        f.seek(4096)
        f.write(b"\xa5" * (size - 4096))
    line = refusal(stopped.fairlead("up", "--detach"))
    assert f"{store} is damaged (" in line
    assert f"fairlead.cmd.main down --purge --name {stopped.name}" in line


def test_a_swapped_certificate_is_replaced_and_a_swapped_authority_is_an_error(stopped: Cluster) -> None:
    pki = stopped.state / "pki"
    shutil.copy(pki / "node-node1.crt", pki / "apiserver.crt")
    stopped.up()
    assert stopped.access().call("GET", MAPS)["items"]
    stopped.fairlead("down")
    shutil.copy(pki / "relay.crt", pki / "ca.crt")
    line = refusal(stopped.fairlead("up", "--detach"))
    assert f"{pki}/ca.crt is not the file that this cluster was made with" in line
    assert f"rm -r {pki}" in line


@pytest.mark.root
@pytest.mark.parametrize("limit", [1, 4, 8, 9])
def test_a_limit_on_processes_is_reported_as_the_cause(limit: int) -> None:
    """Uses a user without other processes, since the kernel counts processes by user and does not limit root. At
    each number another part of the start gets no process: the daemon, the namespaces, the sandbox, a component."""
    uid = 64_400 + os.getpid() % 1000
    with new_cluster("user") as cluster:
        os.chown(cluster.home, uid, uid)
        runner = replace(cluster.runner, prefix=("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"))
        mine = replace(cluster, runner=runner)
        try:
            up = runner.command("up", "--name", cluster.name, "--detach")
            line = refusal(runner.run(["prlimit", f"--nproc={limit}", *up]))
            assert f"too many processes: a limit is reached, the user's (ulimit -u: {limit})" in line
        finally:
            mine.fairlead("down", "--purge")
