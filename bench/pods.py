"""Prints the cost of Pods on images: from an image in the store to a ready Pod, 100 Pods at once on 3 nodes, their
memory compared with bare processes, and unpacking compared with tar.

.venv/bin/python -m bench.pods [PODS]
"""

from __future__ import annotations

import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.cluster import Cluster, descendants, fresh_cluster, pss_kib, wait_until
from fairlead.images.building.build import build
from fairlead.images.layers.stream import Unpacked
from fairlead.images.layers.unpack import LayerUnpacker, Limits
from fairlead.images.store.store import ImageStore

API = "/api/v1/namespaces/default/pods"
FILES, FILE_BYTES = 5000, 8192
MANY = 100
SETTLED_S = 3.0
"""Seconds after which the agents have returned the memory of the starts."""


class Watch:
    """A watch of the default namespace's Pods on a separate connection."""

    def __init__(self, cluster: Cluster) -> None:
        access = cluster.access()
        version = access.call("GET", API)["metadata"]["resourceVersion"]
        self._connection = access.connect(timeout_s=60)
        self._connection.request("GET", f"{API}?watch=1&resourceVersion={version}")
        self._answer = self._connection.getresponse()

    def until_ready(self, names: set[str]) -> float:
        """Returns the time at which the last of these Pods was seen to be ready."""
        missing = set(names)
        while missing:
            event = json.loads(self._answer.readline())
            statuses = event["object"].get("status", {}).get("containerStatuses") or [{}]
            if statuses[0].get("ready"):
                missing.discard(event["object"]["metadata"]["name"])
        return time.monotonic()

    def close(self) -> None:
        self._connection.close()


def manifest(name: str) -> dict[str, Any]:
    container = {"name": "main", "image": "bench/sleep:1"}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def start_s(cluster: Cluster, watch: Watch, name: str) -> float:
    """Returns the seconds from the creation of a Pod to its readiness, as a watching client sees them."""
    access, body = cluster.access(), manifest(name)
    begin = time.monotonic()
    access.call("POST", API, body)
    return watch.until_ready({name}) - begin


def start_all_s(cluster: Cluster, names: list[str]) -> float:
    """Returns the seconds from the first creation of many Pods to the readiness of the last."""
    watch, access = Watch(cluster), cluster.access()
    try:
        begin = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: access.call("POST", API, manifest(name)), names))
        return watch.until_ready(set(names)) - begin
    finally:
        watch.close()


def memory_kib(cluster: Cluster) -> int:
    return sum(map(pss_kib, descendants(cluster.status()["pid"])))


def bare_kib(number: int) -> int:
    """Returns the memory of the same processes without a cluster."""
    processes = [subprocess.Popen(["sleep", "1000000"]) for _ in range(number)]
    try:
        time.sleep(0.5)  # until exec has replaced the forked copies
        return sum(pss_kib(process.pid) for process in processes)
    finally:
        for process in processes:
            process.kill()
            process.wait()


def unpack_rates() -> tuple[float, float]:
    """Returns the seconds that this program and tar take to unpack the same archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for number in range(FILES):
            header = tarfile.TarInfo(f"d{number % 100}/f{number}")
            header.size = FILE_BYTES
            tar.addfile(header, io.BytesIO(os.urandom(FILE_BYTES)))
    with tempfile.TemporaryDirectory() as folder:
        for name in ("own", "tar"):
            os.mkdir(f"{folder}/{name}")
        Path(folder, "a.tar").write_bytes(buffer.getvalue())
        root = os.open(f"{folder}/own", os.O_RDONLY)
        begin = time.monotonic()
        with open(f"{folder}/a.tar", "rb") as file:
            LayerUnpacker(root, owners=os.geteuid() == 0, limits=Limits()).unpack(Unpacked(file))
        middle = time.monotonic()
        os.close(root)
        subprocess.run(["tar", "-xf", f"{folder}/a.tar", "-C", f"{folder}/tar"], check=True)
        return middle - begin, time.monotonic() - middle


def main() -> None:
    pods = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    own, tar = unpack_rates()
    result: dict[str, float] = {"unpack_5000_files_s": own, "tar_5000_files_s": tar}
    with fresh_cluster("bench-pods") as cluster:
        started = cluster.run("up", "--detach", "--registries", "none", "--nodes", "3")
        if started.returncode:
            raise SystemExit(started.stderr)
        script = cluster.state.parent / "bench.sh"
        script.write_text("#!/bin/sh\nexec sleep 1000000\n")
        build(ImageStore(cluster.state.parent / ".images"), "bench/sleep:1", script, {})
        watch = Watch(cluster)
        times = [start_s(cluster, watch, f"p{number}") for number in range(pods)]
        watch.close()
        cluster.access().call("DELETE", API)
        wait_until("all Pods are gone", lambda: not cluster.access().call("GET", API)["items"])
        before = memory_kib(cluster)
        many_s = start_all_s(cluster, [f"m{number}" for number in range(MANY)])
        time.sleep(SETTLED_S)
        after = memory_kib(cluster)
        result |= {
            "create_100_pods_to_all_ready_s": many_s,
            "memory_of_100_pods_mib": (after - before) / 1024,
            "memory_of_100_bare_processes_mib": bare_kib(MANY) / 1024,
        }
    result |= {
        "create_to_ready_median_ms": statistics.median(times) * 1000,
        "create_to_ready_p90_ms": sorted(times)[int(pods * 0.9)] * 1000,
    }
    print(json.dumps({name: round(value, 3) for name, value in result.items()}, indent=1))


if __name__ == "__main__":
    main()
