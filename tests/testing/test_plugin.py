"""The plug-in for pytest, in projects of other people."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.support import ROOT, until
from tests.testing.support import Project, new_project

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

TWO_TESTS = """
    def test_one(fairlead_cluster, fairlead_namespace, kubectl):
        fairlead_cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}},
                               namespace=fairlead_namespace)
        assert "mine" in kubectl("get configmaps -o name")
        print("CLUSTER", fairlead_cluster.name, "NAMESPACE", fairlead_namespace)

    def test_two(fairlead_cluster, fairlead_namespace, kubectl):
        assert "mine" not in kubectl("get configmaps -o name")
        assert len(kubectl("get nodes -o name").split()) == 2
        print("CLUSTER", fairlead_cluster.name, "NAMESPACE", fairlead_namespace)
"""


@pytest.fixture(params=["root", "user"])
def project(request: pytest.FixtureRequest) -> Iterator[Project]:
    with new_project(request.param) as project:
        yield project


@pytest.fixture
def own() -> Iterator[Project]:
    with new_project() as project:
        yield project


def named(text: str, what: str) -> list[str]:
    return re.findall(rf"{what} (\S+)", text)


def test_a_session_has_one_cluster_and_each_test_its_namespace(project: Project) -> None:
    project.write("test_mine.py", TWO_TESTS)
    done = project.pytest("-rP", "--fairlead-nodes", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(set(named(done.stdout, "CLUSTER"))) == 1
    assert len(set(named(done.stdout, "NAMESPACE"))) == 2
    assert project.clusters() == []


def test_the_sample_project_passes(project: Project) -> None:
    shutil.copytree(ROOT / "examples" / "pytest", project.root, dirs_exist_ok=True)
    done = project.pytest()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 passed" in done.stdout


def test_the_report_of_a_failure_has_pods_events_and_logs(own: Project) -> None:
    own.write(
        "test_mine.py",
        """
        import time

        MANIFEST = '''
        apiVersion: v1
        kind: Pod
        metadata: {name: chatty}
        spec:
          terminationGracePeriodSeconds: 0
          containers: [{name: main, image: busybox, command: [sh, -c, "echo the last words; sleep 1000"]}]
        '''

        def test_fails(fairlead_cluster, fairlead_namespace):
            fairlead_cluster.apply(MANIFEST, namespace=fairlead_namespace)
            fairlead_cluster.wait("pod/chatty", namespace=fairlead_namespace)
            # A container is Ready before its first line is in the log and before its events are written.
            while "the last words" not in fairlead_cluster.logs("chatty", namespace=fairlead_namespace):
                time.sleep(0.05)
            while "Started container" not in fairlead_cluster.kubectl("get", "events", "-n", fairlead_namespace):
                time.sleep(0.05)
            raise RuntimeError("on purpose")

        def test_passes(fairlead_namespace):
            pass
        """,
    )
    done = own.pytest()
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 1 passed" in done.stdout
    report = done.stdout
    assert re.search(r"fairlead: Pods of namespace fails-\w+ -.*\nNAME +READY.*\nchatty +1/1 +Running", report)
    assert re.search(r"Normal +Started +pod/chatty +Started container main", report)
    assert re.search(r"fairlead: log of chatty, container main -+\nthe last words", report)


def test_a_kept_cluster_is_reset_and_used_again(own: Project) -> None:
    own.write("test_mine.py", TWO_TESTS.replace("== 2", "== 1"))
    first = own.pytest("-rP", "--fairlead-keep")
    assert first.returncode == 0, first.stdout + first.stderr
    [name] = set(named(first.stdout, "CLUSTER"))
    assert own.clusters() == [name]
    kubectl = ("kubectl", "--kubeconfig", str(own.home / "fairlead" / name / "kubeconfig"))
    subprocess.run([*kubectl, "create", "namespace", "left"], check=True, capture_output=True)
    again = own.pytest("-rP", "--fairlead-keep")
    assert again.returncode == 0, again.stdout + again.stderr
    assert set(named(again.stdout, "CLUSTER")) == {name}
    left = subprocess.run([*kubectl, "get", "namespaces"], check=True, capture_output=True, text=True).stdout
    assert "left" not in left


def test_the_cluster_ends_with_a_killed_test_process(own: Project) -> None:
    own.write(
        "test_mine.py",
        """
        import pathlib, time

        def test_waits(fairlead_cluster):
            done = pathlib.Path(__file__).with_name("started")
            done.with_suffix(".new").write_text(fairlead_cluster.name)
            done.with_suffix(".new").rename(done)
            time.sleep(600)
        """,
    )
    process = own.runner.start(own.command(), stdout=subprocess.DEVNULL)
    try:
        started = own.root / "started"
        until("the test runs", started.exists)
        name = started.read_text()
        assert own.clusters() == [name]
        record = json.loads((own.home / "fairlead" / name / "run.json").read_text())
    finally:
        process.kill()
        process.wait()
    until("the cluster ends", lambda: not Path(f"/proc/{record['pid']}").exists())
    until("its folder is deleted", lambda: own.clusters() == [])


def test_each_worker_of_xdist_has_a_cluster(own: Project) -> None:
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    own.write(
        "test_mine.py",
        """
        import os, pathlib, pytest

        @pytest.mark.parametrize("turn", range(4))
        def test_one(fairlead_cluster, fairlead_namespace, turn):
            worker = os.environ["PYTEST_XDIST_WORKER"]
            assert fairlead_cluster.name.endswith(worker)
            (pathlib.Path(__file__).parent / f"{worker}").write_text(fairlead_cluster.name)
        """,
    )
    done = own.pytest("-n", "2", "--dist", "each")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (own.root / "gw0").read_text() != (own.root / "gw1").read_text()
    assert own.clusters() == []


def test_image_archives_of_a_folder_are_loaded(own: Project) -> None:
    fairlead, tool = own.runner.command("image"), own.root / "tool"
    tool.write_text("#!/bin/sh\necho built\nsleep 1000\n")
    tool.chmod(0o755)
    images = own.home / "archives"
    images.mkdir()
    for words in (
        ("build", "example.com/tool:1", str(tool)),
        ("save", "example.com/tool:1", "-o", str(images / "tool.tar")),
        ("remove", "example.com/tool:1"),
    ):
        made = own.runner.run([*fairlead, *words])
        assert made.returncode == 0, made.stdout + made.stderr
    own.write(
        "test_mine.py",
        """
        def test_image(fairlead_cluster, fairlead_namespace):
            container = {"name": "c", "image": "example.com/tool:1", "imagePullPolicy": "Never"}
            pod = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p"}, "spec": {"containers": [container]}}
            fairlead_cluster.apply(pod, namespace=fairlead_namespace)
            fairlead_cluster.wait("pod/p", namespace=fairlead_namespace)
            fairlead_cluster.kubectl("delete pod p --now", namespace=fairlead_namespace)
        """,
    )
    done = own.pytest("--fairlead-images", str(images))
    assert done.returncode == 0, done.stdout + done.stderr


CLIENTS = {
    "kubernetes": """
        import kubernetes
        core = kubernetes.client.CoreV1Api(fairlead_client.kubernetes)
        assert "kube-system" in [n.metadata.name for n in core.list_namespace().items]
    """,
    "lightkube": """
        from lightkube.resources.core_v1 import Namespace
        assert "kube-system" in [n.metadata.name for n in fairlead_client.lightkube.list(Namespace)]
    """,
    "kr8s": """
        import kr8s
        assert "kube-system" in [n.name for n in kr8s.get("namespaces", api=fairlead_client.kr8s)]
    """,
}


@pytest.mark.parametrize("library", CLIENTS)
def test_clients_of_other_libraries_reach_the_cluster(own: Project, library: str) -> None:
    pytest.importorskip(library, reason=f"{library} is not installed")
    own.write("test_mine.py", "def test_client(fairlead_client):\n" + CLIENTS[library])
    done = own.pytest()
    assert done.returncode == 0, done.stdout + done.stderr


def test_pytest_kubernetes_uses_the_provider(own: Project) -> None:
    pytest.importorskip("pytest_kubernetes", reason="pytest-kubernetes is not installed")
    own.write(
        "test_mine.py",
        """
        from fairlead.testing.provider import FairleadManager

        def test_manager():
            manager = FairleadManager("mine")
            manager.create()
            try:
                assert manager.version() == (1, 36)
                assert "node1" in manager.kubectl(["get", "nodes"], as_dict=False)
            finally:
                manager.delete()
        """,
    )
    done = own.pytest()
    assert done.returncode == 0, done.stdout + done.stderr
    assert own.clusters() == []


def test_an_unused_plugin_imports_nothing_else_of_fairlead() -> None:
    script = "import fairlead.testing.plugin, sys; print([m for m in sys.modules if m.startswith('fairlead')])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['fairlead', 'fairlead.testing', 'fairlead.testing.plugin']"
