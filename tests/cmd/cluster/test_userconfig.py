"""The context of a cluster in the user's kubeconfig: which file, its lock, and what happens if it cannot be changed."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from fairlead.cmd.cluster import userconfig
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.paths import Paths, paths_of
from fairlead.machinery.values.yamltree import load_yaml


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    return tmp_path


def made(name: str = "t") -> Paths:
    paths = paths_of(name)
    paths.pki.mkdir(parents=True, exist_ok=True)
    for file in ("ca.crt", "admin.crt", "admin.key"):
        (paths.pki / file).write_text(f"{file} of {name}")
    return paths


def add(name: str = "t") -> Path | None:
    return userconfig.add_context(ClusterConfig(name, api_port=6443), made(name))


def contexts(file: Path) -> list[str]:
    return [one["name"] for one in load_yaml(file.read_bytes())["contexts"] or []]


def test_without_a_kubeconfig_a_private_one_is_made(home: Path) -> None:
    assert add() == home / ".kube" / "config"
    assert contexts(home / ".kube" / "config") == ["fairlead-t"]
    assert (home / ".kube" / "config").stat().st_mode & 0o777 == 0o600
    assert (home / ".kube").stat().st_mode & 0o777 == 0o700
    assert os.listdir(home / ".kube") == ["config"], "neither lock nor temporary file is left"


def test_the_first_file_of_the_variable_is_changed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", f":{home}/one:{home}/two")
    assert add() == home / "one"
    assert userconfig.is_default(home / "one")
    assert not (home / "two").exists()


def test_a_private_kubeconfig_of_a_cluster_is_never_changed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(made("other").kubeconfig))
    assert add() == home / ".kube" / "config"
    assert not userconfig.is_default(home / ".kube" / "config"), "kubectl of this terminal reads another file"
    assert not made("other").kubeconfig.exists()


def test_a_removal_follows_the_record_and_not_the_variable(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", f"{home}/one")
    add("a")
    add("b")
    monkeypatch.setenv("KUBECONFIG", f"{home}/two")
    add("a")
    monkeypatch.delenv("KUBECONFIG")
    userconfig.remove_context("a", paths_of("a"))
    assert (contexts(home / "one"), contexts(home / "two")) == (["fairlead-b"], [])
    assert load_yaml((home / "one").read_bytes())["current-context"] == "fairlead-b"
    assert load_yaml((home / "two").read_bytes())["current-context"] == ""


def test_a_symbolic_link_stays_one_and_others_lose_the_right_to_read(home: Path) -> None:
    (home / ".kube").mkdir()
    (home / "dotfiles").write_text("# mine\nkind: Config\n")
    (home / "dotfiles").chmod(0o644)
    (home / ".kube" / "config").symlink_to(home / "dotfiles")
    add()
    assert (home / ".kube" / "config").is_symlink()
    assert (home / "dotfiles").read_text().startswith("# mine\n")
    assert (home / "dotfiles").stat().st_mode & 0o777 == 0o600


def damaged(file: Path) -> None:
    file.parent.mkdir()
    file.write_text("clusters: [\n")


def locked(file: Path) -> None:
    file.parent.mkdir()
    file.with_name("config.lock").touch()


def folder(file: Path) -> None:
    file.mkdir(parents=True)


def no_folder(file: Path) -> None:
    file.parent.touch()


def latin(file: Path) -> None:
    file.parent.mkdir()
    file.write_bytes(b"# \xe9\n")


@pytest.mark.parametrize("spoil", [damaged, locked, folder, no_folder, latin])
def test_a_file_that_cannot_be_changed_is_one_line_and_stays(
    spoil: object, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(userconfig, "_LOCK_ATTEMPTS", 2)
    file = home / ".kube" / "config"
    assert callable(spoil)
    spoil(file)
    before = file.read_bytes() if file.is_file() else None
    assert add() is None
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"fairlead: cannot change {file}: ")
    assert err.endswith("; kubectl does not get the context fairlead-t\n")
    assert err.count("\n") == 1
    assert (file.read_bytes() if file.is_file() else None) == before


def _add_many(names: list[str]) -> None:
    for name in names:
        assert add(name) is not None


@pytest.mark.slow
def test_parallel_starts_and_removals_lose_nothing(home: Path) -> None:
    add("gone")
    groups = [[f"c{group}{i}" for i in range(5)] for group in "abcd"]
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_add_many, args=(names,)) for names in groups]
    workers.append(context.Process(target=userconfig.remove_context, args=("gone", paths_of("gone"))))
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 5
    assert sorted(contexts(home / ".kube" / "config")) == sorted(
        f"fairlead-{name}" for names in groups for name in names
    )
