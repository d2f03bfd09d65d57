"""`fairlead image`, by its command line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.cmd.main import main
from fairlead.images.store.leases import Lease
from tests.images.imagemaker import build, docker_archive, entry, gzipped, oci_archive, tar_of
from tests.images.registryserver import Registry, serving

LAYER = tar_of(entry("a", "hello"))


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "HOME", "DOCKER_CONFIG"):
        monkeypatch.setenv(name, str(tmp_path))


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    with serving() as running:
        monkeypatch.setenv("FAIRLEAD_REGISTRIES", running.host)
        yield running


def out(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["image", *words]) == code
    return "".join(capsys.readouterr())


def archive(tmp_path: Path, name: str = "app:1") -> str:
    path = tmp_path / "app.tar"
    path.write_bytes(docker_archive([(build([LAYER], Cmd=["run"]), [name])]))
    return str(path)


def test_an_image_is_loaded_listed_inspected_saved_and_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert out(capsys, "list").startswith("no images; ")
    assert out(capsys, "load", archive(tmp_path)).startswith("loaded app:1 (")
    assert [line.split()[0] for line in out(capsys, "list").splitlines()] == ["NAME", "app:1"]
    assert json.loads(out(capsys, "inspect", "app:1"))["config"]["config"]["Cmd"] == ["run"]
    saved = str(tmp_path / "saved.tar")
    out(capsys, "save", "app:1", "-o", saved)
    assert out(capsys, "remove", "app:1") == "removed app:1\n"
    assert out(capsys, "prune").startswith("freed ")
    assert out(capsys, "load", saved).startswith("loaded app:1 (")
    assert json.loads(out(capsys, "list", "-o", "json"))[0]["name"] == "docker.io/library/app:1"
    out(capsys, "prune", "--all")
    assert json.loads(out(capsys, "list", "-o", "json")) == []


def test_an_image_is_pulled_with_dockers_credentials(
    registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.auth = "bearer"
    registry.push("team/app", "1", build([LAYER], packed=[gzipped(LAYER)]))
    name = f"{registry.host}/team/app:1"
    assert "refused" in out(capsys, "pull", name, code=1)
    auths = {registry.host: {"auth": "YW5uOnNlY3JldA=="}}
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
    assert out(capsys, "pull", name).startswith(f"pulled {name} (")


def test_an_engine_that_is_not_there_is_named_and_one_that_fails_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "docker is not installed on this machine" in out(capsys, "load-from", "docker", "app", code=1)
    engine = tmp_path / "podman"
    (tmp_path / "data.tar").write_bytes(oci_archive(build([LAYER]), "docker.io/library/app:2"))
    engine.write_text(
        f'#!/bin/sh\nif [ "$4" = app:2 ]; then exec /bin/cat {tmp_path}/data.tar; fi\necho no such image >&2; exit 1\n'
    )
    engine.chmod(0o755)
    assert out(capsys, "load-from", "podman", "app:2").startswith("loaded app:2 (")
    assert "podman save --format docker-archive other: no such image" in out(
        capsys, "load-from", "podman", "other", code=1
    )


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("inspect", "nope"), 'no such image: "nope"'),
        (("remove", "nope"), 'no such image: "nope"'),
        (("load", "/nope.tar"), "cannot read /nope.tar: No such file or directory"),
        (("pull", "registry.example.com/a"), "$FAIRLEAD_REGISTRIES is none, which leaves out registry.example.com"),
        (("pull", "A"), "repository names are in lower case"),
    ],
)
def test_what_cannot_be_done_is_one_line(words: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = out(capsys, *words, code=1)
    assert why in text
    assert text.count("\n") == 1


def test_the_layers_of_pods_survive_a_prune(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out(capsys, "load", archive(tmp_path))
    (layer,) = json.loads(out(capsys, "inspect", "app:1"))["layers"]
    folder = tmp_path / "fairlead/c/nodes/node1/pods/p/root/main/0"
    os.makedirs(folder)
    (folder / "layers").write_text(layer["path"] + "\n")
    out(capsys, "prune", "--all")
    assert Path(layer["path"]).is_dir()


def test_a_layer_of_host_images_survives_a_prune_if_a_container_has_it_or_starts_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layers = tmp_path / "fairlead/.images/host"
    for name in ("used", "old", "starting", "killed.part"):
        (layers / name / "etc").mkdir(parents=True)
    (layers / ".lock").touch()
    folder = tmp_path / "fairlead/c/nodes/node1/pods/p/root/main/0"
    folder.mkdir(parents=True)
    (folder / "layers").write_text(f"{layers}/used\n")
    with Lease(tmp_path / "fairlead/.images") as lease:
        lease.add(str(layers / "starting"))
        out(capsys, "prune")
    assert {path.name for path in layers.iterdir()} == {".lock", "used", "starting"}
