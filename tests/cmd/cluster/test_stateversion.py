"""The version of a cluster's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fairlead import __version__
from fairlead.cmd.cluster import config as settings
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.paths import Paths
from fairlead.cmd.cluster.stateversion import STATE_VERSION, STEPS, upgrade
from fairlead.cmd.errors import CommandError


def written(folder: Path, **tree: Any) -> Paths:
    paths = Paths(folder / "mine")
    paths.root.mkdir()
    paths.config.write_text(json.dumps({"name": "mine"} | tree))
    return paths


def test_saved_settings_have_the_present_version_and_the_programs(tmp_path: Path) -> None:
    paths = written(tmp_path)
    settings.save(ClusterConfig("mine"), paths)
    tree = json.loads(paths.config.read_text())
    assert (tree["state"], tree["fairlead"]) == (STATE_VERSION, __version__)
    assert settings.load(paths) == ClusterConfig("mine")


def test_newer_state_is_refused_with_one_line(tmp_path: Path) -> None:
    paths = written(tmp_path, state=STATE_VERSION + 1, fairlead="9.0", nodes="of another form")
    before = paths.config.read_bytes()
    with pytest.raises(CommandError) as caught:
        settings.load(paths)
    assert str(caught.value) == (
        f'cluster "mine" was written by a newer release, fairlead 9.0 (state {STATE_VERSION + 1}; fairlead '
        f"{__version__} knows {STATE_VERSION}); use that release or a later one, or delete the cluster: "
        "fairlead down --purge --name mine"
    )
    assert paths.config.read_bytes() == before


def test_a_cluster_from_before_roles_keeps_full_rights(tmp_path: Path) -> None:
    config = settings.load(written(tmp_path))
    assert config is not None
    assert config.authorization_mode == "AlwaysAllow"


def test_a_cluster_of_the_present_version_has_roles(tmp_path: Path) -> None:
    config = settings.load(written(tmp_path, state=STATE_VERSION))
    assert config is not None
    assert config.authorization_mode == "RBAC"


@pytest.mark.parametrize("version", range(len(STEPS)))
def test_each_older_version_is_upgraded_by_the_steps_after_it(version: int) -> None:
    stepwise: dict[str, Any] = {"name": "mine", "state": version}
    for step in STEPS[version:]:
        step(stepwise)
    assert upgrade({"name": "mine", "state": version}) == stepwise


@pytest.mark.parametrize("version", [-1, "1", None, 1.5])
def test_a_version_that_is_not_a_number_is_damage(tmp_path: Path, version: object) -> None:
    with pytest.raises(CommandError, match=r"cannot read .*invalid state version"):
        settings.load(written(tmp_path, state=version))
