"""The layer above the host's files, on disk."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fairlead.node.images.hostlayer import APPLETS, prepare


def test_the_applets_of_busybox_are_one_link_with_many_names(tmp_path: Path) -> None:
    layer = prepare(str(tmp_path), single_id=False)
    applets = [Path(layer + APPLETS, name) for name in os.listdir(layer + APPLETS)]
    assert len(applets) > 100
    same = [path for path in applets if path.name != "wget"]  # Debian 12's lacks time limits: the host's replaces it
    assert len({path.lstat().st_ino for path in same}) == 1
    assert {os.readlink(path) for path in same} == {os.readlink(f"{layer}{APPLETS}/ls")}


def test_nodes_that_prepare_the_layer_at_the_same_time_get_one_whole_layer(tmp_path: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        layers = set(pool.map(lambda _: prepare(str(tmp_path), single_id=False), range(3)))
    assert [str(path) for path in tmp_path.iterdir() if path.is_dir()] == sorted(layers)
