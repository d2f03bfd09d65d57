"""The kubeconfig of a cluster over its starts."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fairlead.cmd.cluster import kubeconfig
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.cluster.paths import Paths
from fairlead.machinery.values.yamltree import load_yaml

KUBECTL = Path(shutil.which("kubectl") or "/usr/bin/kubectl")
CONFIG = ClusterConfig("t")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(tmp_path)
    found.pki.mkdir()
    for name in ("ca.crt", "admin.crt", "admin.key"):
        (found.pki / name).write_text(f"{name} 1")
    return found


def write(paths: Paths, port: int = 6443) -> dict[str, Any]:
    kubeconfig.write(CONFIG, paths, api_port=port)
    tree: dict[str, Any] = load_yaml(paths.kubeconfig.read_bytes())
    return tree


def config(paths: Paths, *arguments: str) -> str:
    command = [str(KUBECTL), "config", "--kubeconfig", str(paths.kubeconfig), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_first_start_writes_a_private_file_and_the_next_leaves_it(paths: Paths) -> None:
    tree = write(paths)
    assert tree["current-context"] == "fairlead-t"
    assert paths.kubeconfig.stat().st_mode & 0o777 == 0o600
    before = paths.kubeconfig.stat().st_ino
    assert write(paths) == tree
    assert paths.kubeconfig.stat().st_ino == before


def test_a_new_port_and_new_certificates_reach_an_unchanged_kubeconfig(paths: Paths) -> None:
    write(paths)
    (paths.pki / "admin.crt").write_text("2")
    write(paths, 7000)
    assert paths.kubeconfig.read_text() == kubeconfig.render(CONFIG, paths, api_port=7000)


@pytest.mark.parametrize("namespace", ["dev", "y", "7", "1e3", "a: [", "[", "", "two\nlines"])
def test_a_namespace_set_by_kubectl_survives(paths: Paths, namespace: str) -> None:
    write(paths)
    config(paths, "set-context", "--current", f"--namespace={namespace}")
    tree = write(paths, 7000)
    expected = {"cluster": "fairlead-t", "user": "fairlead-t"} | ({"namespace": namespace} if namespace else {})
    assert tree["contexts"][0]["context"] == expected
    assert tree["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:7000"
    assert config(paths, "view", "--minify", "-o", "jsonpath={..namespace}") == namespace


@pytest.mark.slow
def test_entries_of_the_user_survive_and_the_current_context_too(paths: Paths) -> None:
    write(paths)
    config(paths, "set-cluster", "other", "--server=https://192.0.2.1")
    config(paths, "set-credentials", "somebody", "--token=secret")
    config(paths, "set-context", "other", "--cluster=other", "--user=somebody")
    config(paths, "use-context", "other")
    tree = write(paths, 7000)
    assert [entry["name"] for entry in tree["clusters"]] == ["fairlead-t", "other"]
    assert {"name": "somebody", "user": {"token": "secret"}} in tree["users"]
    assert tree["current-context"] == "other"
    assert config(paths, "get-contexts", "-o", "name").split() == ["fairlead-t", "other"]


def test_deleted_entries_of_the_kubeconfig_are_restored(paths: Paths) -> None:
    write(paths)
    config(paths, "delete-context", "fairlead-t")
    config(paths, "delete-cluster", "fairlead-t")
    tree = write(paths)
    assert tree["contexts"][0]["name"] == tree["clusters"][0]["name"] == tree["current-context"] == "fairlead-t"


@pytest.mark.parametrize("damage", ["a: [", "7", "clusters: 7", "!!bool x", "\x00"])
def test_a_file_that_is_no_kubeconfig_is_kept_aside(paths: Paths, damage: str) -> None:
    paths.kubeconfig.write_text(damage)
    assert write(paths)["current-context"] == "fairlead-t"
    assert paths.kubeconfig.with_name("kubeconfig.old").read_text() == damage
