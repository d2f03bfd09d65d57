"""The layer above the host's files, on disk."""

from __future__ import annotations

import fcntl
import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fairlead.base.clock import RealClock
from fairlead.base.ids import RandomIds
from fairlead.node.images.host import HostImages
from fairlead.node.images.hostlayer import APPLETS, is_prepared, prepare
from fairlead.node.images.resolver import NodeImages
from fairlead.node.settings import NodeSettings
from fairlead.runtime.fake import FakeClient, run_jumping


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


def _prepare_ahead(tmp_path: Path) -> bool:
    """Lets a node prepare the layer; returns whether the layer is there."""
    settings = NodeSettings(name="node1", ips=("172.30.0.11",), pod_cidrs=("10.244.1.0/24",), state_dir=str(tmp_path))
    clock = RealClock()
    client = FakeClient(clock=clock, ids=RandomIds(random.Random(1)))
    images = NodeImages(HostImages(files=(), version="9"), settings, client=client, clock=clock)
    run_jumping(images.prepare_host_layer())
    return is_prepared(f"{tmp_path}/host", single_id=settings.single_id)


def test_a_node_prepares_the_layer_before_a_pod_needs_it(tmp_path: Path) -> None:
    assert _prepare_ahead(tmp_path)


def test_a_node_leaves_the_layer_to_the_node_that_makes_it(tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    with open(tmp_path / "host" / ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not _prepare_ahead(tmp_path)
    assert _prepare_ahead(tmp_path)


def test_a_layer_that_a_killed_agent_left_half_made_is_made_anew(tmp_path: Path) -> None:
    whole = Path(prepare(str(tmp_path / "other"), single_id=False))
    half = tmp_path / "host" / f"{whole.name}.part"
    (half / "etc").mkdir(parents=True)
    (half / "etc" / "passwd").write_text("half")
    assert not is_prepared(str(tmp_path / "host"), single_id=False)
    layer = Path(prepare(str(tmp_path / "host"), single_id=False))
    assert (layer / "etc" / "passwd").read_text() == (whole / "etc" / "passwd").read_text()
    assert not half.exists()
