"""The choice of pods to evict, and how their disk space is measured."""

from __future__ import annotations

import os
from pathlib import Path

from fairlead.node.pods.eviction import MemoryUse, disk_bytes, first_to_go, memory_request
from tests.node.makers import pod

MIB = 1 << 20


def test_who_uses_more_than_requested_goes_first_then_the_lower_priority() -> None:
    uses = {
        "modest": MemoryUse(used=900 * MIB, requested=1000 * MIB, priority=-5),
        "important": MemoryUse(used=500 * MIB, requested=0, priority=100),
        "greedy": MemoryUse(used=300 * MIB, requested=100 * MIB, priority=0),
        "greedier": MemoryUse(used=400 * MIB, requested=100 * MIB, priority=0),
    }
    order = []
    while uses:
        order.append(first_to_go(uses))
        del uses[order[-1]]
    assert order == ["greedier", "greedy", "important", "modest"]


def test_the_requests_of_all_containers_count() -> None:
    resources = {"requests": {"memory": "10Mi"}}
    made = pod(containers=[{"name": name, "image": "x", "resources": resources} for name in "ab"])
    assert memory_request(made) == 20 * MIB


def test_space_is_that_of_the_disk_and_each_file_counts_once(tmp_path: Path) -> None:
    before = disk_bytes(str(tmp_path))
    (tmp_path / "d").mkdir()
    (tmp_path / "d/a").write_bytes(os.urandom(MIB))
    os.link(tmp_path / "d/a", tmp_path / "b")
    os.symlink("/usr", tmp_path / "link")
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(100 * MIB)
    assert MIB <= disk_bytes(str(tmp_path)) - before < MIB + 65536
    assert disk_bytes(f"{tmp_path}/missing") == 0
