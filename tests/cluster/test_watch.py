"""The command `fairlead watch` on a running cluster, also as an ordinary user."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from tests.cluster.support import Cluster, free_port, new_cluster, until
from tests.cluster.test_kill import PODS, SERVICES, ready_pods
from tests.cluster.test_trace import pod, service

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]


class Watching:
    """A running `fairlead watch -o json`, and its entries so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.entries: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.entries.extend(map(json.loads, self.process.stdout))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [entry for entry in list(self.entries) if entry["kind"] == kind]

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        code = self.process.wait(timeout=120)
        self._reader.join(timeout=120)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@contextmanager
def watching(cluster: Cluster, *arguments: str, command: str = "watch") -> Iterator[Watching]:
    words = cluster.runner.command(command, "--name", cluster.name, *arguments, "-o", "json")
    made = Watching(cluster.runner.start(words, stdout=subprocess.PIPE))
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.end(signal.SIGKILL)


@pytest.mark.parametrize("who", ["root", "user"])
def test_watch_shows_slices_rules_dns_connections_and_pods_until_ctrl_c(who: str) -> None:
    with new_cluster(who) as cluster:
        cluster.up("--nodes", "2", "--api-port", str(free_port()))
        api = cluster.access()
        api.call("POST", PODS, pod("web-1", "web"))
        api.call("POST", SERVICES, service("web", "web"))
        until("a ready Pod", lambda: len(ready_pods(cluster)) == 1)
        with watching(cluster, "svc/web") as watched:
            until("both nodes", lambda: {entry["node"] for entry in watched.of("rules")} == {"node1", "node2"})
            until("the answer of DNS", lambda: watched.of("dns"))
            until("the first endpoint", lambda: watched.of("endpoints"))
            api.call("POST", PODS, pod("web-2", "web"))
            until("two endpoints", lambda: len(watched.of("endpoints")) == 2)
            until("new rules", lambda: len([e for e in watched.of("rules") if e.get("added")]) >= 2)
            until("a ready second Pod", lambda: ("web-2", "ready") in _states(watched))
            ip = api.call("GET", f"{SERVICES}/web")["spec"]["clusterIP"]
            script = f"import socket; socket.create_connection(('{ip}', 80), 60).close()"
            done = cluster.fairlead("shell", "node1", "--", cluster.runner.python, "-c", script)
            assert done.returncode == 0, done.stderr
            until("the connection", lambda: watched.of("connections"))
            assert sum(watched.of("connections")[0]["new"].values()) == 1
            delays = [e["delayMs"] for e in watched.of("rules") if e.get("delayMs") is not None]
            assert all(0 <= delay < 60_000 for delay in delays)
            assert watched.end(signal.SIGINT) == 0


def _states(watched: Watching) -> set[tuple[str, str]]:
    return {(entry["pod"], entry["state"]) for entry in watched.of("pod")}


def test_rules_are_watched_change_by_change() -> None:
    with new_cluster() as cluster:
        cluster.up("--api-port", str(free_port()))
        with watching(cluster, "--watch", command="rules") as watched:
            api, number = cluster.access(), 0
            # The first reading prints nothing, so Services are made until one is made after it.
            while not _added(watched):
                number += 1
                api.call("POST", SERVICES, service(f"web{number}", "web", type="NodePort"))
                until("its refusal or its addition", partial(_seen, watched, cluster, number))
            assert _added(watched) <= {f"default/web{made}" for made in range(1, number + 1)}
            assert watched.end(signal.SIGINT) == 0


def _added(watched: Watching) -> set[str]:
    """Returns the Services of the default namespace whose rules were printed as added, without their ports."""
    lines = [line for entry in watched.entries for line in entry["added"]]
    return {line["service"].partition(":")[0] for line in lines if line["service"].startswith("default/web")}


def _seen(watched: Watching, cluster: Cluster, number: int) -> bool:
    """Returns whether the change was printed, or is at least in the kernel."""
    return bool(_added(watched)) or bool(json.loads(cluster.fairlead("rules", f"svc/web{number}", "-o", "json").stdout))


def test_watch_ends_after_the_given_time_and_refuses_what_does_not_exist() -> None:
    with new_cluster() as cluster:
        cluster.up("--api-port", str(free_port()))
        done = cluster.fairlead("watch", "svc/kubernetes", "--for", "1")
        assert (done.returncode, done.stderr) == (0, "")
        assert "endpoints: + 172.30.0.1:6443" in done.stdout
        wrong = cluster.fairlead("watch", "svc/nope")
        assert (wrong.returncode, 'no Service "nope"' in wrong.stderr) == (1, True)
        assert cluster.fairlead("watch").returncode == 2
