"""A full disk fails writes only: no component ends, and all recovers when space is free again."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from tests.cluster.disk import cluster_on_a_small_disk
from tests.cluster.support import free_port, until

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow, pytest.mark.root]

MAPS = "/api/v1/namespaces/default/configmaps"
LARGE = 400_000


def config_map(name: str, size: int = 10) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": {"a": "x" * size}}


def test_components_die_and_come_back_on_a_full_disk_and_writes_succeed_when_there_is_room() -> None:
    with cluster_on_a_small_disk() as disk:
        cluster = disk.cluster
        cluster.up("--nodes", "2", "--api-port", str(free_port()))
        api = cluster.access()
        api.call("POST", MAPS, config_map("before"))
        disk.fill()
        for number, component in enumerate(("relay", "agent-node1", "zygote-node2", "control-plane")):
            before = cluster.component(component)["pid"]
            os.kill(before, signal.SIGKILL)
            until(f"another {component}", lambda c=component, p=before: cluster.component(c)["pid"] not in (p, 0))  # type: ignore[misc]
            until("reads", lambda: api.call("GET", f"{MAPS}/before"))
            with pytest.raises(RuntimeError, match=r"500 .*no room is left on the disk of "):
                api.call("POST", MAPS, config_map(f"full{number}", LARGE))
        disk.free()
        until("writes", lambda: api.call("POST", MAPS, config_map("after", LARGE)))
        until("all nodes Ready", lambda: all(n["ready"] for n in cluster.status()["nodes"]))
        names = {m["metadata"]["name"] for m in api.call("GET", MAPS)["items"]}
        assert {"before", "after"} <= names
        assert not any(name.startswith("full") for name in names)
        assert cluster.status()["running"]
