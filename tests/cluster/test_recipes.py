"""The recipes of docs/ci.md, as far as they can be tried on one machine: their commands are run as the service runs
them, with stand-ins for what changes the machine (sudo) or needs a network (pip, apt-get)."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import yaml

from tests.cluster.guide import typed
from tests.cluster.support import ROOT, free_port
from tests.testing.support import Project, new_project

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

RECIPES = ROOT / "examples" / "ci"
STAND_IN = '#!/bin/sh\necho "$(basename "$0") $*" >> "{log}"\n'
MODULE = '#!/bin/sh\nexec "{python}" -m {module} "$@"\n'
ONE_TEST = """
    def test_cluster(fairlead_cluster, fairlead_namespace):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}}
        spec = {"containers": [{"name": "web", "image": "fairlead/web"}], "terminationGracePeriodSeconds": 0}
        fairlead_cluster.apply(pod | {"spec": spec}, namespace=fairlead_namespace)
        fairlead_cluster.wait("pod/web", namespace=fairlead_namespace)
"""
CONTAINER = ("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc", "--net")
"""The namespaces of an unprivileged container with the filters of the recipe."""


@pytest.fixture
def project(request: pytest.FixtureRequest) -> Iterator[Project]:
    """A project with one test, and the programs of a job's machine in `bin`. Jobs run as an ordinary user, unless the
    test has the mark `root`."""
    who = "root" if request.node.get_closest_marker("root") else "user"
    with new_project(who) as project:
        project.write("test_mine.py", ONE_TEST)
        programs = project.home / "bin"
        programs.mkdir()
        for name in ("sudo", "pip", "apt-get"):
            (programs / name).write_text(STAND_IN.format(log=project.home / "log"))
        for name, module in (("fairlead", "fairlead.cmd.main"), ("pytest", "pytest -p no:cacheprovider")):
            (programs / name).write_text(MODULE.format(python=project.runner.python, module=module))
        (project.home / "log").touch(mode=0o666)
        (project.home / "log").chmod(0o666)
        for program in programs.iterdir():
            program.chmod(0o755)
        yield project


def job(project: Project, commands: Sequence[str], *, container: Sequence[str] = ()) -> str:
    """Returns the output of the commands of a job, which all succeed; pytest gets a folder that it may write."""
    script = "\n".join(["set -e", f'PATH="{project.home}/bin:$PATH"', f'cd "{project.root}"', *commands])
    command = [*project.runner.prefix, *container, "bash", "-c", script]
    done = project.runner.run(command, timeout_s=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_job_of_github_actions_tests_the_project(project: Project) -> None:
    tree = yaml.safe_load((RECIPES / "github-actions.yml").read_text())
    steps = tree["jobs"]["tests"]["steps"]
    assert tree["jobs"]["tests"]["runs-on"] == "ubuntu-24.04"
    shown = job(project, [step["run"] for step in steps if "run" in step])
    assert "a cluster can run here" in shown
    assert "1 passed" in shown
    log = (project.home / "log").read_text()
    assert "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0" in log
    assert "pip install fairlead[kubectl] pytest" in log


@pytest.mark.root
def test_the_job_of_gitlab_tests_the_project_in_an_unprivileged_container(project: Project) -> None:
    tree = yaml.safe_load((RECIPES / "gitlab-ci.yml").read_text())["tests"]
    report = tree["artifacts"]["reports"]["junit"]
    commands = [*tree["before_script"], *tree["script"]]
    state = f'export XDG_STATE_HOME="{project.home}/.state"; mkdir -p "$XDG_STATE_HOME"; export CI_PROJECT_DIR="$PWD"'
    shown = job(project, ["ip link set lo up", state, *commands], container=CONTAINER)
    assert "1 passed" in shown
    assert (project.root / report).read_text().count("<testcase") == 1


def test_the_runner_of_gitlab_is_not_privileged() -> None:
    [runner] = tomllib.loads((RECIPES / "gitlab-runner.toml").read_text())["runners"]
    assert runner["docker"]["privileged"] is False
    assert runner["docker"]["security_opt"] == [
        "seccomp:unconfined",
        "apparmor:unconfined",
        "systempaths:unconfined",
    ]


def test_the_dev_container_starts_a_cluster(project: Project) -> None:
    tree = json.loads((RECIPES / "devcontainer.json").read_text())
    create = tree["onCreateCommand"].replace("sudo apt-get", "sudo-apt-get")
    assert create.split(" && ")[0] == "sudo-apt-get update"
    shown = job(project, [tree["onCreateCommand"], f"{tree['postStartCommand']} --no-kubeconfig", "fairlead status"])
    assert "3 nodes Ready" in shown


def test_the_unit_of_systemd_is_valid(tmp_path: Path) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not installed")
    text = (RECIPES / "fairlead@.service").read_text()
    unit = tmp_path / "fairlead@test.service"
    unit.write_text(text.replace("%h/.local/bin/fairlead", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(unit)],
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "fairlead@test.service" not in done.stderr


def test_a_unit_of_systemd_is_ready_when_the_nodes_are(project: Project) -> None:
    # As systemd runs the unit: in the foreground, with a socket to notify, ended by SIGTERM.
    text = (RECIPES / "fairlead@.service").read_text()
    [start] = re.findall(r"^ExecStart=%h/.local/bin/fairlead (.*)$", text, re.MULTILINE)
    assert "Type=notify" in text
    manager = project.home / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(manager))
        manager.chmod(0o777)
        listening.settimeout(120)
        words = start.replace("%i", "mine").split()
        command = project.runner.command(*words, "--no-kubeconfig", "--api-port", str(free_port()))
        process = subprocess.Popen(
            command,
            env=project.runner.environment | {"NOTIFY_SOCKET": str(manager)},
            cwd="/",
            stdout=subprocess.DEVNULL,
        )
        try:
            assert listening.recv(100) == b"READY=1"
            status = project.runner.run(project.runner.command("status", "--name", "mine", "-o", "json"))
            assert json.loads(status.stdout)["ready"] is True
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(120)
    assert process.returncode == 0


def test_the_profile_of_apparmor_is_valid(tmp_path: Path) -> None:
    # Debian 12's parser does not know the rule `userns`, which came with the restriction.
    parser = shutil.which("apparmor_parser", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if parser is None:
        pytest.skip("apparmor is not installed")
    text = (RECIPES / "apparmor-fairlead").read_text()
    assert re.search(r"^  userns,$", text, re.MULTILINE)
    profile = tmp_path / "fairlead"
    profile.write_text(text.replace("abi/4.0", "abi/3.0").replace("  userns,\n", ""))
    command = [parser, "--skip-kernel-load", "--skip-cache", "--debug", str(profile)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "/{opt/hostedtoolcache/Python/*/x64,home/*/.local/share/fairlead}/bin/python3*" in text


def test_every_snippet_of_the_page_works() -> None:
    printed = typed("ci.md", "user")
    assert "a cluster can run here" in printed
    assert "node1" in printed


def test_every_recipe_is_named_by_the_page() -> None:
    page = (ROOT / "docs" / "ci.md").read_text()
    assert {path.name for path in RECIPES.iterdir()} == set(re.findall(r"\]\(\.\./examples/ci/([^)]+)\)", page))
