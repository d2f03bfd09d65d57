"""The table of volume types."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from fairlead.api.core.configmap.kind import ConfigMap
from fairlead.api.core.pod.volumes.volume import Volume
from fairlead.api.core.pod.volumes.volume_projected import VolumeProjection
from fairlead.api.core.secret.kind import Secret
from fairlead.base.clock import FakeClock
from fairlead.base.ids import RandomIds
from fairlead.node.volumes.plugins.projected import PROJECTIONS
from fairlead.node.volumes.podfiles import PodFiles
from fairlead.node.volumes.podvolumes import PodVolumes, refreshed
from fairlead.node.volumes.table import CLAIMED, SUPPORTED
from fairlead.runtime.fake import FakeClient
from tests.node.makers import no_image, pod

SOURCES: dict[str, dict[str, Any]] = {
    "emptyDir": {},
    "hostPath": {"path": "/usr", "type": "Directory"},
    "configMap": {"name": "m"},
    "secret": {"secretName": "s"},
    "projected": {"sources": [{"configMap": {"name": "m"}}]},
    "downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]},
}
MOUNTED = {"image"}
"""Types that need a mount: tests/cluster/test_namespaces.py."""
FROM_API = {"configMap", "secret", "projected", "downwardAPI"}


def test_every_type_is_declared_once_and_is_a_field_of_the_api() -> None:
    assert len(set(SUPPORTED)) == len(SUPPORTED)
    assert set(SUPPORTED) <= set(Volume.__struct_fields__)
    assert {projection.field for projection in PROJECTIONS} <= set(VolumeProjection.__struct_fields__)
    assert SOURCES.keys() | MOUNTED == set(SUPPORTED) - set(CLAIMED), "this module tests every type but those"


@pytest.mark.parametrize("field", SOURCES)
def test_volumes_from_the_api_are_refreshed_and_read_only_and_others_are_neither(field: str, tmp_path: Path) -> None:
    container = {"name": "c", "image": "x", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    p = pod(containers=[container], volumes=[{"name": "v", field: SOURCES[field]}])
    clock = FakeClock()
    client = FakeClient(clock=clock, ids=RandomIds(random.Random(1)))
    volumes = PodVolumes(
        PodFiles(str(tmp_path), p.metadata),
        client=client,
        images=no_image,
        clock=clock,
        allocatable={},
        masked=("/nothing",),
    )
    volumes.data.config_maps["m"] = ConfigMap(data={"k": "v"})
    volumes.data.secrets["s"] = Secret(data={"k": "dg=="})
    volumes.set_up(p)
    (mount,) = volumes.mounts_of(p, p.spec.containers[0], {})
    assert mount.read_only is (field in FROM_API)
    assert refreshed(p) is (field in FROM_API)
    assert mount.host_path_type == ("Directory" if field == "hostPath" else None)
    assert Path(mount.source).is_dir()


def test_a_volume_without_a_source_is_an_empty_dir(tmp_path: Path) -> None:
    p = pod(volumes=[{"name": "v"}])
    clock = FakeClock()
    client = FakeClient(clock=clock, ids=RandomIds(random.Random(1)))
    files = PodFiles(str(tmp_path), p.metadata)
    PodVolumes(files, client=client, images=no_image, clock=clock, allocatable={}, masked=()).set_up(p)
    assert Path(files.volume("v")).is_dir()
