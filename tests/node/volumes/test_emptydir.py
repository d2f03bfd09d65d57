"""Directories of a Pod's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.volumes.volume import EmptyDirVolumeSource
from fairlead.api.meta.types import ObjectMeta
from fairlead.node.env.references import ConfigData
from fairlead.node.volumes.contents import VolumeSources
from fairlead.node.volumes.plugin import VolumeSite
from fairlead.node.volumes.plugins.emptydir import set_up
from tests.net.sandbox import in_sandbox

pytestmark = pytest.mark.kernel


def site(root: Path) -> VolumeSite:
    sources = VolumeSources(ConfigData(), {}, {})
    return VolumeSite(
        pod=Pod(metadata=ObjectMeta(name="p")), root=str(root), sources=sources, stamp="1", masked_paths=()
    )


@pytest.mark.parametrize("medium", ["", "Memory"])
def test_a_volume_that_is_set_up_keeps_its_files(tmp_path: Path, medium: str) -> None:
    def work() -> bool:
        root = tmp_path / "volumes" / "v"
        set_up(EmptyDirVolumeSource(medium=medium), site(root))
        (root / "file").touch()
        set_up(EmptyDirVolumeSource(medium=medium), site(root))
        return (root / "file").exists() and os.path.ismount(root) == (medium == "Memory")

    assert in_sandbox(work)


def test_a_volume_in_memory_is_in_memory_also_if_its_directory_is_left_of_an_earlier_start(tmp_path: Path) -> None:
    def work() -> bool:
        root = tmp_path / "volumes" / "v"
        root.mkdir(parents=True)
        set_up(EmptyDirVolumeSource(medium="Memory"), site(root))
        return os.path.ismount(root)

    assert in_sandbox(work)
