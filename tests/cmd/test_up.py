"""The start before anything runs: the API's port, and what lies in the cluster's folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from fairlead.base.clock import RealClock
from fairlead.cmd.config import ClusterConfig, Given
from fairlead.cmd.errors import CommandError
from fairlead.cmd.state import paths_of
from fairlead.cmd.up import bind_api, prepare


@pytest.mark.parametrize("node_ports", [(6443, 65535), (2000, 65535), (1, 60000)])
def test_the_api_gets_a_port_outside_the_node_ports_however_wide_they_are(node_ports: tuple[int, int]) -> None:
    sock, config = bind_api(ClusterConfig("c", node_port_range=node_ports), explicit=False, report=print)
    with sock:
        assert sock.getsockname()[1] == config.api_port
        assert not node_ports[0] <= config.api_port <= node_ports[1]


def test_a_damaged_store_is_told_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    paths = paths_of("c")
    paths.root.mkdir(parents=True)
    paths.store.write_bytes(b"rubbish" * 100)
    with pytest.raises(CommandError, match=r"store.db is damaged .* down --purge --name c"):
        prepare("c", Given(), print, clock=RealClock())
