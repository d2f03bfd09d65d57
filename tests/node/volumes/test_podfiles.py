"""A pod's directory."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from fairlead.api.core.configmap.kind import ConfigMap
from fairlead.api.core.pod.kind import Pod
from fairlead.api.core.pod.volumes.volume import EmptyDirVolumeSource, HostPathVolumeSource, Volume
from fairlead.api.core.secret.kind import Secret
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.instant import Instant
from fairlead.node.env.references import ConfigData, RequestedToken
from fairlead.node.runtime.protocol.containerspec import Mount
from fairlead.node.volumes.atomicwriter import write_volume
from fairlead.node.volumes.contents import File, VolumeProblem, VolumeSources
from fairlead.node.volumes.plugin import VolumeSite
from fairlead.node.volumes.plugins import emptydir, hostpath
from fairlead.node.volumes.podfiles import PodFiles
from fairlead.node.volumes.podvolumes import IssuedToken, check_mount, references_of
from fairlead.node.volumes.table import plugin_of
from tests.node.makers import pod

META = ObjectMeta(name="p", namespace="ns", uid="u")


def site(*, root: str = "", masked: str = "/nothing") -> VolumeSite:
    sources = VolumeSources(ConfigData(), {}, {})
    return VolumeSite(pod=pod(), root=root, sources=sources, stamp="1", masked_paths=(masked,))


def files_of(volume: Volume, of: Pod, sources: VolumeSources, tmp_path: Path) -> dict[str, tuple[bytes, int]]:
    """Sets the volume up; returns its files' contents and modes by their paths."""
    plugin, source = plugin_of(volume)
    assert plugin.from_api
    fresh = site(root=f"{tmp_path}/{volume.name}")
    root = Path(plugin.set_up(source, replace(fresh, pod=of, sources=sources))) / "..data"
    at = [path for path in root.rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mode & 0o777) for path in at}


def test_a_volumes_files_are_replaced_all_at_once(tmp_path: Path) -> None:
    at = f"{tmp_path}/v"
    root = Path(write_volume(at, {"a": File(b"1", 0o644), "d/b": File(b"2", 0o400)}, stamp="1"))
    held = (root / "..data").resolve()
    assert ((root / "a").read_text(), (root / "d/b").read_text()) == ("1", "2")
    assert os.stat(root / "d/b").st_mode & 0o777 == 0o400
    write_volume(at, {"a": File(b"1", 0o644), "d/b": File(b"2", 0o400)}, stamp="2")
    assert (root / "..data").resolve() == held
    write_volume(at, {"a": File(b"3", 0o644)}, stamp="3")
    assert (root / "a").read_text() == "3"
    assert sorted(os.listdir(root)) == ["..3", "..data", "a"]


def test_an_empty_dir_is_writable_for_all_users_and_is_removed_with_the_pod(tmp_path: Path) -> None:
    files = PodFiles(str(tmp_path), META)
    root = emptydir.set_up(EmptyDirVolumeSource(), site(root=files.volume("v")))
    assert os.stat(root).st_mode & 0o777 == 0o777
    files.remove()
    assert not os.path.exists(files.root)


def host(path: str, kind: str | None = None, hidden: str = "/nothing") -> str:
    return hostpath.set_up(HostPathVolumeSource(path=path, type=kind), site(masked=hidden))


def test_hidden_host_paths_are_refused_by_every_name(tmp_path: Path) -> None:
    state = tmp_path / "state"
    (state / "pki").mkdir(parents=True)
    (tmp_path / "link").symlink_to(state / "pki")
    (tmp_path / "relative").symlink_to("state")
    for path in ("state", "state/pki", "link", "relative/pki", "link/../../link"):
        with pytest.raises(VolumeProblem, match="may not see"):
            host(f"{tmp_path}/{path}", hidden=str(state))
    for path in ("state/new", "relative/pki/new"):
        with pytest.raises(VolumeProblem, match="may not see"):
            host(f"{tmp_path}/{path}", "DirectoryOrCreate", hidden=str(state))
    assert os.listdir(state) == ["pki"]
    assert host(str(tmp_path), hidden=str(state)) == str(tmp_path)


def test_a_magic_link_is_no_host_path(tmp_path: Path) -> None:
    with open(tmp_path / "file", "w") as file, pytest.raises(OSError, match="openat2"):
        host(f"/proc/self/fd/{file.fileno()}")


def test_each_host_path_type_is_checked(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "file").write_text("")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(f"{tmp_path}/socket")
    found = {"Directory": "dir", "File": "file", "Socket": "socket", "CharDevice": "/dev/null"}
    nouns = {
        "Directory": "a directory",
        "File": "a file",
        "Socket": "a socket file",
        "CharDevice": "a character device",
        "BlockDevice": "a block device",
    }
    for kind, noun in nouns.items():
        for is_kind, name in {**found, "": "missing"}.items():
            path = os.path.join(tmp_path, name)
            if is_kind == kind:
                assert host(path, kind) == path
                continue
            with pytest.raises(VolumeProblem, match=f"hostPath type check failed: {path} is not {noun}$"):
                host(path, kind)
    assert not os.path.lexists(tmp_path / "missing")


@pytest.mark.parametrize("kind", [None, "", "DirectoryOrCreate"])
def test_a_missing_host_path_is_made_as_a_directory(kind: str | None, tmp_path: Path) -> None:
    host(f"{tmp_path}/new/dir", kind)
    assert os.stat(tmp_path / "new/dir").st_mode & 0o7777 == 0o755


def test_an_existing_host_path_without_a_type_may_be_anything(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("kept")
    for kind in (None, "FileOrCreate"):
        host(f"{tmp_path}/file", kind)
    assert (tmp_path / "file").read_text() == "kept"
    host("/dev/null")


def test_file_or_create_makes_the_file_and_nothing_above_it(tmp_path: Path) -> None:
    host(f"{tmp_path}/file", "FileOrCreate")
    assert os.stat(tmp_path / "file").st_mode & 0o7777 == 0o644
    with pytest.raises(FileNotFoundError):
        host(f"{tmp_path}/no/file", "FileOrCreate")
    assert os.listdir(tmp_path) == ["file"]
    (tmp_path / "dir").mkdir()
    with pytest.raises(VolumeProblem, match="is not a file"):
        host(f"{tmp_path}/dir", "FileOrCreate")


def test_a_sub_path_stays_inside_its_volume(tmp_path: Path) -> None:
    def check(path: str, host_type: str | None = None, hidden: str = "/nothing") -> None:
        bind = Mount(source=f"{tmp_path}/v", destination="/t", sub_path=path, host_path_type=host_type)
        check_mount(bind, (hidden,))

    root = tmp_path / "v"
    root.mkdir(mode=0o777)
    root.chmod(0o2777)
    (root / "out").symlink_to("/etc")
    check("a/b")
    assert os.stat(root / "a/b").st_mode & 0o7777 == 0o2777
    for path, text in (
        ("out/passwd", "leaves its volume"),
        ("../x", "must not contain '..'"),
        ("/x", "an absolute path"),
    ):
        with pytest.raises(VolumeProblem, match=text):
            check(path)
    with pytest.raises(VolumeProblem, match="may not see"):
        check("a/b", "", hidden=f"{root}/a")


def test_projected_volumes_bring_token_map_and_fields_together(tmp_path: Path) -> None:
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "ca", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
        {"secret": {"name": "gone", "optional": True}},
    ]
    p = pod(volumes=[{"name": "v", "projected": {"sources": sources, "defaultMode": 0o444}}])
    data = ConfigData()
    data.config_maps["ca"] = ConfigMap(data={"ca.crt": "CA", "more": "x"})
    wanted = RequestedToken("", 3607)
    assert references_of(p).tokens == {wanted}
    found = files_of(p.spec.volumes[0], p, VolumeSources(data, {wanted: "TOKEN"}, {}), tmp_path)
    assert found == {
        "token": (b"TOKEN", 0o444),
        "ca.crt": (b"CA", 0o444),
        "namespace": (b"ns", 0o444),
    }
    with pytest.raises(VolumeProblem, match="token is not there yet"):
        files_of(p.spec.volumes[0], p, VolumeSources(data, {}, {}), tmp_path)


def test_missing_keys_and_objects_are_named(tmp_path: Path) -> None:
    data = ConfigData()
    data.secrets["s"] = Secret(data={"a": "MQ=="})
    missing = pod(volumes=[{"name": "v", "secret": {"secretName": "s", "items": [{"key": "b", "path": "b"}]}}])
    with pytest.raises(VolumeProblem, match="references non-existent"):
        files_of(missing.spec.volumes[0], missing, VolumeSources(data, {}, {}), tmp_path)
    gone = pod(volumes=[{"name": "v", "configMap": {"name": "nope"}}])
    with pytest.raises(VolumeProblem, match='configmap "nope" not found'):
        files_of(gone.spec.volumes[0], gone, VolumeSources(data, {}, {}), tmp_path)


def test_modes_audiences_and_optional_keys_of_volumes_are_the_manifests(tmp_path: Path) -> None:
    data = ConfigData()
    data.secrets["s"] = Secret(data={"a": "MQ==", "b": "Mg=="})
    data.config_maps["c"] = ConfigMap(data={"k": "v"})
    one = {"key": "a", "path": "deep/a", "mode": 0o400}
    gone = {"key": "z", "path": "z"}
    p = pod(
        volumes=[
            {"name": "secret", "secret": {"secretName": "s", "defaultMode": 0o440, "items": [one], "optional": True}},
            {"name": "map", "configMap": {"name": "c", "defaultMode": 0o404, "items": [gone], "optional": True}},
            {
                "name": "fields",
                "downwardAPI": {
                    "defaultMode": 0o444,
                    "items": [
                        {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}, "mode": 0o600},
                        {"path": "uid", "fieldRef": {"fieldPath": "metadata.uid"}},
                    ],
                },
            },
            {
                "name": "all",
                "projected": {
                    "sources": [
                        {"secret": {"name": "s", "items": [one]}},
                        {"configMap": {"name": "c", "items": [gone], "optional": True}},
                        {"serviceAccountToken": {"path": "t", "audience": "vault", "expirationSeconds": 900}},
                    ]
                },
            },
        ]
    )
    wanted = RequestedToken("vault", 900)
    assert references_of(p).tokens == {wanted}
    sources = VolumeSources(data, {wanted: "TOKEN"}, {})
    found = {volume.name: files_of(volume, p, sources, tmp_path) for volume in p.spec.volumes}
    assert found == {
        "secret": {"deep/a": (b"1", 0o400)},
        "map": {},
        "fields": {"name": (b"p", 0o600), "uid": (b"u-1", 0o444)},
        "all": {"deep/a": (b"1", 0o400), "t": (b"TOKEN", 0o644)},
    }


def test_a_token_is_fresh_from_its_issue_to_its_renewal_and_not_by_a_clock_that_was_set_back() -> None:
    held = IssuedToken("t", issued=Instant(1000), renewal=Instant(1800))
    assert [held.is_fresh(Instant(now)) for now in (999, 1000, 1799, 1800)] == [False, True, True, False]


@pytest.mark.parametrize("container", ["volumes", "etc", "files", "termination"])
def test_a_container_may_have_the_name_of_a_directory_of_its_pod(tmp_path: Path, container: str) -> None:
    files = PodFiles(str(tmp_path), ObjectMeta(name="p", namespace="ns", uid="u"))
    for folder in (files.volume("0"), f"{files.root}/files/0"):
        os.makedirs(folder)
    files.termination_log(container, 0)
    etc = files.etc({"hosts": "mine"})
    assert os.listdir(etc) == ["hosts"]
    assert os.listdir(f"{files.root}/volumes") == ["0"]
    assert os.listdir(f"{files.root}/termination") == [f"{container}_0"]
