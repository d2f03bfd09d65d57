"""Prints the cost of Pods on images: from an image in the store to a ready Pod, and unpacking compared with tar.

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
from pathlib import Path
from typing import Any

from bench.cluster import Cluster, fresh_cluster, wait_until
from fairlead.images.building.build import build
from fairlead.images.layers.stream import Unpacked
from fairlead.images.layers.unpack import LayerUnpacker, Limits
from fairlead.images.store.store import ImageStore

API = "/api/v1/namespaces/default/pods"
FILES, FILE_BYTES = 5000, 8192


def start_s(cluster: Cluster, name: str) -> float:
    """Returns the seconds from the creation of a Pod to its readiness, as a client sees them."""
    container = {"name": "main", "image": "bench/sleep:1"}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    access = cluster.access()
    begin = time.monotonic()
    access.call("POST", API, body)

    def ready() -> Any:
        statuses = access.call("GET", f"{API}/{name}")["status"].get("containerStatuses") or [{}]
        return statuses[0].get("ready")

    wait_until(f"{name} is ready", ready)
    return time.monotonic() - begin


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
        started = cluster.run("up", "--detach", "--registries", "none")
        if started.returncode:
            raise SystemExit(started.stderr)
        script = cluster.state.parent / "bench.sh"
        script.write_text("#!/bin/sh\nexec sleep 1000000\n")
        build(ImageStore(cluster.state.parent / ".images"), "bench/sleep:1", script, {})
        times = [start_s(cluster, f"p{number}") for number in range(pods)]
    result |= {
        "create_to_ready_median_ms": statistics.median(times) * 1000,
        "create_to_ready_p90_ms": sorted(times)[int(pods * 0.9)] * 1000,
    }
    print(json.dumps({name: round(value, 3) for name, value in result.items()}, indent=1))


if __name__ == "__main__":
    main()
