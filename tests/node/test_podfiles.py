"""A pod's directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fairlead.api.configmap import ConfigMap
from fairlead.api.meta import ObjectMeta
from fairlead.api.secret import Secret
from fairlead.api.volume import EmptyDirVolumeSource, HostPathVolumeSource
from fairlead.node.env import Data
from fairlead.node.podfiles import PodFiles, host_path, sub_path
from fairlead.node.volumes import File, Sources, TokenWanted, VolumeProblem, files_of, tokens_wanted
from tests.node.makers import pod

META = ObjectMeta(name="p", namespace="ns", uid="u")


def test_a_volumes_files_are_replaced_all_at_once(tmp_path: Path) -> None:
    files = PodFiles(str(tmp_path), META)
    root = Path(files.write_volume("v", {"a": File(b"1", 0o644), "d/b": File(b"2", 0o400)}, stamp="1"))
    held = (root / "..data").resolve()
    assert ((root / "a").read_text(), (root / "d/b").read_text()) == ("1", "2")
    assert os.stat(root / "d/b").st_mode & 0o777 == 0o400
    files.write_volume("v", {"a": File(b"1", 0o644), "d/b": File(b"2", 0o400)}, stamp="2")
    assert (root / "..data").resolve() == held
    files.write_volume("v", {"a": File(b"3", 0o644)}, stamp="3")
    assert (root / "a").read_text() == "3"
    assert sorted(os.listdir(root)) == ["..3", "..data", "a"]


def test_an_empty_dir_is_for_everybody_and_goes_with_the_pod(tmp_path: Path) -> None:
    files = PodFiles(str(tmp_path), META)
    root = files.empty_dir("v", EmptyDirVolumeSource())
    assert os.stat(root).st_mode & 0o777 == 0o777
    files.remove()
    assert not os.path.exists(files.root)


def test_only_the_last_two_logs_are_kept(tmp_path: Path) -> None:
    files = PodFiles(str(tmp_path), META)
    for attempt in range(4):
        Path(files.new_log("c", attempt)).write_text("x")
    assert sorted(os.listdir(files.root + "/c")) == ["2.log", "3.log"]


def test_host_paths_are_checked_and_hidden_ones_refused(tmp_path: Path) -> None:
    def of(path: str, kind: str | None = None) -> str:
        return host_path(HostPathVolumeSource(path=f"{tmp_path}/{path}", type=kind), (f"{tmp_path}/state",))

    (tmp_path / "state" / "pki").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    assert of("new/dir", "DirectoryOrCreate").endswith("new/dir")
    assert of("file", "File").endswith("file")
    for path, kind, text in (
        ("file", "Directory", "is not a directory"),
        ("nope", None, "is not there"),
        ("state/pki", None, "may not see"),
        ("state", None, "may not see"),
    ):
        with pytest.raises(VolumeProblem, match=text):
            of(path, kind)


def test_a_sub_path_stays_inside_its_volume(tmp_path: Path) -> None:
    root = tmp_path / "v"
    root.mkdir()
    (root / "out").symlink_to("/etc")
    assert sub_path(str(root), "a/b") == f"{root}/a/b"
    for path in ("../x", "out/passwd"):
        with pytest.raises(VolumeProblem, match="leads out"):
            sub_path(str(root), path)


def test_projected_volumes_bring_token_map_and_fields_together() -> None:
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
        {"secret": {"name": "gone", "optional": True}},
    ]
    p = pod(volumes=[{"name": "v", "projected": {"sources": sources, "defaultMode": 0o444}}])
    data = Data()
    data.config_maps["ca"] = ConfigMap(data={"ca.crt": "CA", "more": "x"})
    wanted = TokenWanted("", 3607)
    assert tokens_wanted(p) == {wanted}
    found = files_of(p.spec.volumes[0], p, Sources(data, {wanted: "TOKEN"}, {}))
    assert found == {
        "token": File(b"TOKEN", 0o444),
        "ca.crt": File(b"CA", 0o444),
        "namespace": File(b"ns", 0o444),
    }
    with pytest.raises(VolumeProblem, match="token is not there yet"):
        files_of(p.spec.volumes[0], p, Sources(data, {}, {}))


def test_missing_keys_and_objects_are_named() -> None:
    data = Data()
    data.secrets["s"] = Secret(data={"a": "MQ=="})
    missing = pod(volumes=[{"name": "v", "secret": {"secretName": "s", "items": [{"key": "b", "path": "b"}]}}])
    with pytest.raises(VolumeProblem, match="references non-existent"):
        files_of(missing.spec.volumes[0], missing, Sources(data, {}, {}))
    gone = pod(volumes=[{"name": "v", "configMap": {"name": "nope"}}])
    with pytest.raises(VolumeProblem, match='configmap "nope" not found'):
        files_of(gone.spec.volumes[0], gone, Sources(data, {}, {}))
