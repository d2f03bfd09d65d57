"""The life of a cluster by the command line, as root and as an ordinary user."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.support import Cluster, free_port, host_footprint, new_cluster, until
from tests.kubectl.conftest import find_kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

USERS = ["root", "user"] if os.getuid() == 0 else ["user"]
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture(params=USERS)
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    with new_cluster(request.param) as made:
        yield made


@pytest.fixture(params=USERS, scope="module")
def running(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Two nodes; for tests that leave it as it was."""
    with new_cluster(request.param) as made:
        made.up("--nodes", "2", "--api-port", str(free_port()))
        yield made


def line_of(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The one line on stderr of a command that ended with the code."""
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1
    return done.stderr.strip()


def test_status_names_every_process(running: Cluster) -> None:
    status = running.status()
    assert status["running"]
    until("a ready cluster", lambda: running.status()["ready"])
    assert status["api"] == f"https://127.0.0.1:{running.access().port}"
    nodes = [(n["name"], n["ready"], n["address"], n["podCIDR"]) for n in status["nodes"]]
    assert nodes == [
        ("node1", True, "172.30.0.11", "10.244.1.0/24"),
        ("node2", True, "172.30.0.12", "10.244.2.0/24"),
    ]
    names = {c["name"] for c in status["components"]}
    assert names == {"control-plane", "relay", "agent-node1", "agent-node2", "zygote-node1", "zygote-node2"}
    below = set(running.processes())
    assert status["pid"] in below
    assert {c["pid"] for c in status["components"]} <= below
    assert [n["pid"] for n in status["nodes"]] == [running.component(f"agent-node{i}")["pid"] for i in (1, 2)]


def test_every_component_may_have_as_many_descriptors_as_its_hard_limit_allows(running: Cluster) -> None:
    for component in running.status()["components"]:
        limits = Path(f"/proc/{component['pid']}/limits").read_text(encoding="ascii")
        soft, hard = re.search(r"^Max open files +(\d+) +(\d+)", limits, re.MULTILINE).groups()  # type: ignore[union-attr]
        assert soft == hard, component["name"]


def test_the_table_says_the_same(running: Cluster) -> None:
    done = running.fairlead("status")
    assert done.returncode == 0
    assert f'cluster "{running.name}" is running' in done.stdout
    assert "node2   Ready    172.30.0.12   10.244.2.0/24" in done.stdout


def test_an_api_that_does_not_answer_is_slow_and_the_nodes_are_not_called_unready(running: Cluster) -> None:
    pid = running.component("control-plane")["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        table = running.fairlead("status").stdout
        assert "node2   API slow   172.30.0.12" in table
        assert "NotReady" not in table
        assert not running.status()["apiAnswers"]
    finally:
        os.kill(pid, signal.SIGCONT)
    until("Ready nodes", lambda: all(n["ready"] for n in running.status()["nodes"]))


def test_env_points_at_a_private_kubeconfig(running: Cluster) -> None:
    path = running.state / "kubeconfig"
    assert running.fairlead("env").stdout == f"export KUBECONFIG={path}\n"
    assert running.fairlead("kubeconfig").stdout == path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert running.state.stat().st_mode & 0o777 == 0o700
    assert f"current-context: fairlead-{running.name}" in path.read_text()


def test_a_running_cluster_is_the_current_context_of_the_user_until_it_is_purged(cluster: Cluster) -> None:
    cluster.user_kubeconfig.parent.mkdir()
    cluster.user_kubeconfig.write_text("# mine\ncurrent-context: other\ncontexts:\n- name: other\n  context: {}\n")
    for path in (cluster.user_kubeconfig.parent, cluster.user_kubeconfig):
        os.chown(path, cluster.home.stat().st_uid, cluster.home.stat().st_gid)
    before = cluster.user_kubeconfig.read_text()
    done = cluster.fairlead("up", "--detach", "--no-kubeconfig")
    assert (done.returncode, cluster.user_kubeconfig.read_text()) == (0, before)
    assert f"env --name {cluster.name}" in done.stdout
    cluster.fairlead("down")
    done = cluster.fairlead("up", "--detach")
    assert "Use it:   kubectl get nodes" in done.stdout
    kubectl = cluster.runner.run([*cluster.runner.prefix, find_kubectl(), "get", "nodes", "-o", "name"])
    assert kubectl.stdout == "node/node1\n", kubectl.stderr
    assert cluster.user_kubeconfig.stat().st_uid == cluster.home.stat().st_uid
    cluster.fairlead("down")
    assert f"fairlead-{cluster.name}" in cluster.user_kubeconfig.read_text()
    cluster.fairlead("down", "--purge")
    assert cluster.user_kubeconfig.read_text() == before.replace("context: other", 'context: ""', 1) + (
        "clusters: []\nusers: []\n"
    )


def test_a_kubeconfig_that_cannot_be_changed_does_not_stop_a_start(cluster: Cluster) -> None:
    cluster.user_kubeconfig.parent.touch()
    done = cluster.fairlead("up", "--detach")
    assert "cannot change" in line_of(done, 0)
    assert f"env --name {cluster.name}" in done.stdout


def test_a_command_on_a_node_has_its_network_and_the_host_s_files(running: Cluster) -> None:
    done = running.fairlead("shell", "node2", "--", "sh", "-c", "hostname; cat; exit 7")
    assert (done.returncode, done.stdout) == (7, "node2\n")
    script = "import socket; s = socket.create_server(('172.30.0.12', 0)); print(open('/etc/hostname').read())"
    done = running.fairlead("shell", "node2", "--", "/usr/bin/python3", "-c", script)
    assert done.returncode == 0, done.stderr


def test_a_command_on_a_node_finds_system_programs_and_kubectl_reaches_the_api(running: Cluster) -> None:
    plain = running.runner.environment | {"PATH": "/usr/bin:/bin"}
    command = running.runner.command("shell", "node2", "sh", "-c", "echo $PATH")
    done = subprocess.run(command, env=plain, capture_output=True, text=True, check=True)
    # The folder of the kubectl that came with Fairlead follows if these folders lack one.
    assert done.stdout.strip().removeprefix("/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin").count(":") <= 1
    assert done.stdout.startswith("/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin")
    done = running.fairlead("shell", "node2", find_kubectl(), "get", "nodes", "-o", "name")
    assert (done.stdout, done.returncode) == ("node/node1\nnode/node2\n", 0), done.stderr


def test_kubectl_of_fairlead_talks_to_the_cluster_whatever_the_user_s_kubeconfig_is(running: Cluster) -> None:
    elsewhere = running.runner.environment | {"KUBECONFIG": "/nonexistent"}
    command = running.runner.command("kubectl", "get", "--raw", "/api/v1/nodes/node2")
    done = subprocess.run(command, env=elsewhere, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["metadata"]["name"] == "node2", done.stderr
    done = running.fairlead("kubectl", "-n", "kube-system", "get", "svc", "kube-dns", "-o", "name")
    assert (done.stdout, done.returncode) == ("service/kube-dns\n", 0), done.stderr
    assert running.fairlead("kubectl", "get", "pod", "none").returncode == 1


def test_commands_without_a_name_are_about_the_only_running_cluster(running: Cluster) -> None:
    def typed(*words: str) -> subprocess.CompletedProcess[str]:
        return running.runner.run(running.runner.command(*words))

    assert f'cluster "{running.name}" is running' in typed("status").stdout
    assert typed("shell", "hostname").stdout == "node1\n"
    (found,) = json.loads(typed("list", "-o", "json").stdout)
    assert (found["name"], found["state"], found["nodes"]) == (running.name, "running", 2)
    assert found["api"] == running.status()["api"]
    assert found["memoryBytes"] > 30 * 1024 * 1024
    header, row = typed("list").stdout.splitlines()
    assert header.split() == ["NAME", "STATE", "NODES", "AGE", "API", "MEMORY"]
    assert row.split()[:3] == [running.name, "running", "2"]


def test_logs_are_one_stream_and_are_followed_until_the_cluster_stops(cluster: Cluster) -> None:
    cluster.up("--api-port", str(free_port()))
    with subprocess.Popen(
        cluster.runner.command("logs", "-f", "--name", cluster.name),
        env=cluster.runner.environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as following:
        assert following.stdout is not None
        first = following.stdout.readline()
        pid = cluster.component("relay")["pid"]
        os.kill(pid, signal.SIGKILL)
        until("a new relay", lambda: cluster.component("relay")["pid"] not in (0, pid))
        cluster.fairlead("down")
        out = first + following.stdout.read()
    assert following.returncode == 0
    stamps = re.findall(r"^\S+ +(20\S+Z) ", out, re.MULTILINE)
    assert stamps
    whole = cluster.fairlead("logs").stdout
    assert set(out.splitlines()) == set(whole.splitlines()), "nothing is lost"
    stamps = re.findall(r"^\S+ +(20\S+Z) ", whole, re.MULTILINE)
    assert stamps == sorted(stamps)
    agent = cluster.fairlead("logs", "agent-node1", "--tail", "1").stdout
    assert re.fullmatch(r"20\S+Z .*\n", agent)
    assert "the cluster has agent-node1, " in line_of(cluster.fairlead("logs", "none"), 2)


def test_down_and_delete_take_all_clusters(cluster: Cluster) -> None:
    def typed(*words: str) -> subprocess.CompletedProcess[str]:
        return cluster.runner.run(cluster.runner.command(*words))

    assert typed("up", "--detach", "--name", "a").returncode == 0
    assert typed("up", "--detach", "--name", "b").returncode == 0
    assert "several clusters run (a, b)" in line_of(typed("status"), 2)
    assert typed("down", "--all").stdout == 'cluster "a" is down\ncluster "b" is down\n'
    assert [one["state"] for one in json.loads(typed("list", "-o", "json").stdout)] == ["stopped", "stopped"]
    assert "there are several clusters (a, b)" in line_of(typed("delete"), 2)
    assert typed("delete", "--all").returncode == 0
    assert json.loads(typed("list", "-o", "json").stdout) == []


def test_the_first_node_is_where_a_shell_starts(running: Cluster) -> None:
    assert running.fairlead("shell", "--", "hostname").stdout == "node1\n"


def test_a_node_that_is_not_there_is_wrong_use(running: Cluster) -> None:
    assert "the cluster has node1, node2" in line_of(running.fairlead("shell", "node3"), 2)


def test_a_command_that_is_not_there_ends_as_in_a_shell(running: Cluster) -> None:
    assert "not found" in line_of(running.fairlead("shell", "--", "no-such-command"), 127)


def test_up_of_a_running_cluster_says_so_and_leaves_it(running: Cluster) -> None:
    before = running.status()["pid"]
    assert f"already running (pid {before})" in line_of(running.fairlead("up", "--detach"), 1)
    assert running.status()["pid"] == before


def test_a_second_cluster_runs_beside_it(running: Cluster) -> None:
    with new_cluster((running.runner.prefix and "user") or "root") as other:
        other.up()
        assert other.access().port != running.access().port
        until("a ready cluster", lambda: other.status()["ready"])
    until("a ready cluster", lambda: running.status()["ready"])


def test_up_after_down_brings_objects_and_settings_back(cluster: Cluster) -> None:
    port = free_port()
    cluster.up("--nodes", "2", "--api-port", str(port), "--service-cidr", "10.97.0.0/16")
    kept = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}, "data": {"a": "b"}}
    cluster.access().call("POST", CONFIG_MAPS, kept)
    assert cluster.fairlead("down").stdout == f'cluster "{cluster.name}" is down\n'
    assert cluster.fairlead("down").stdout == f'cluster "{cluster.name}" is not running\n'
    assert not cluster.status()["running"]
    cluster.up()
    assert cluster.access().port == port
    assert len(cluster.status()["nodes"]) == 2
    assert cluster.access().call("GET", f"{CONFIG_MAPS}/kept")["data"] == {"a": "b"}
    service = cluster.access().call("GET", "/api/v1/namespaces/default/services/kubernetes")
    assert service["spec"]["clusterIP"] == "10.97.0.1"
    cluster.fairlead("down")
    other = cluster.fairlead("up", "--detach", "--service-cidr", "10.98.0.0/16")
    assert "was created with --service-cidr 10.97.0.0/16" in line_of(other, 2)
    cluster.fairlead("down", "--purge")
    assert not cluster.state.exists()


def test_an_up_with_fewer_nodes_forgets_the_others(cluster: Cluster) -> None:
    def names() -> list[str]:
        return [node["metadata"]["name"] for node in cluster.access().call("GET", "/api/v1/nodes")["items"]]

    cluster.up("--nodes", "2", "--api-port", str(free_port()))
    assert names() == ["node1", "node2"]
    cluster.fairlead("down")
    cluster.up("--nodes", "1")
    until("one node", lambda: names() == ["node1"])
    assert [n["name"] for n in cluster.status()["nodes"]] == ["node1"]


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_file_modes_do_not_depend_on_the_users_umask(cluster: Cluster, umask: int) -> None:
    before = os.umask(umask)
    try:
        cluster.up("--api-port", str(free_port()))
    finally:
        os.umask(before)
    for file in ("store.db", "kubeconfig", "config.json", "run.json", "lock", "pki/service-account.key"):
        assert (cluster.state / file).stat().st_mode & 0o777 == 0o600, file
    token = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
    container = {
        "name": "c",
        "image": "busybox",
        "command": ["sh", "-c", f"ls -ld /cm/. && cat /cm/a {token}"],
        "volumeMounts": [{"name": "cm", "mountPath": "/cm"}],
    }
    spec = {
        "restartPolicy": "Never",
        "securityContext": {"runAsUser": 1000},
        "containers": [container],
        "volumes": [{"name": "cm", "configMap": {"name": "cm"}}],
    }
    api = cluster.access()
    api.call("POST", CONFIG_MAPS, {"metadata": {"name": "cm"}, "data": {"a": "red "}})
    api.call("POST", PODS, {"metadata": {"name": "p"}, "spec": spec})
    until("the pod has ended", lambda: api.call("GET", f"{PODS}/p")["status"]["phase"] != "Pending")
    until("its end is known", lambda: api.call("GET", f"{PODS}/p")["status"]["phase"] == "Succeeded")
    log = next(cluster.state.glob("nodes/node1/machine/var/log/pods/default_p_*/c/0.log")).read_text()
    assert "red default" in log
    assert " drwxr-xr-x " in log


def test_a_folder_that_cannot_be_written_does_not_end_a_cluster_that_runs() -> None:
    with new_cluster("user") as cluster:
        cluster.up("--api-port", str(free_port()))
        cluster.state.chmod(0o500)
        (cluster.state / "run.json").chmod(0o400)
        relay = cluster.component("relay")
        os.kill(relay["pid"], signal.SIGKILL)
        until("the end is known", lambda: cluster.component("relay")["pid"] == 0)
        assert cluster.access().call("GET", f"{CONFIG_MAPS}/kube-root-ca.crt")["data"]
        until("a ready cluster", lambda: cluster.status()["ready"])
        cluster.state.chmod(0o700)
        until("it is written down", lambda: cluster.component("relay")["restarts"] == 1)


def test_a_port_in_use_is_reported_and_nothing_is_left(cluster: Cluster) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = line_of(cluster.fairlead("up", "--detach", "--api-port", str(port)), 1)
    assert line == f"fairlead: port {port} on 127.0.0.1 is in use; choose another: --api-port PORT"
    assert not cluster.state.exists()


def test_the_error_for_a_kernel_without_user_namespaces_has_the_remedy(cluster: Cluster) -> None:
    script = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    up = cluster.runner.command("up", "--name", cluster.name, "--detach")
    command = [*cluster.runner.prefix, "unshare", "-Ur", "sh", "-c", script, "sh", *up[len(cluster.runner.prefix) :]]
    line = line_of(cluster.runner.run(command), 1)
    assert "user namespaces are switched off" in line
    assert "sudo sysctl -w user.max_user_namespaces=15000" in line
    assert not cluster.state.exists()


def test_ctrl_c_ends_a_cluster_in_the_foreground(cluster: Cluster) -> None:
    before = host_footprint()
    command = cluster.runner.command("up", "--name", cluster.name, "--api-port", str(free_port()))
    process = cluster.runner.start(command, stdout=subprocess.PIPE)
    until("a ready cluster", lambda: cluster.status()["ready"])
    pids = cluster.processes()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "API ready at" in out
    assert out.endswith(f'cluster "{cluster.name}" is down\n')
    until("no process", lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))
    until("the host as it was", lambda: host_footprint() == before)


def test_status_is_right_after_a_kill(cluster: Cluster) -> None:
    cluster.up("--api-port", str(free_port()))
    os.kill(cluster.status()["pid"], signal.SIGKILL)
    until("an end", lambda: not cluster.status()["running"])
    done = cluster.fairlead("status")
    assert done.returncode == 1
    assert json.loads(cluster.fairlead("status", "-o", "json").stdout)["components"] == []
    cluster.up()
    until("a ready cluster", lambda: cluster.status()["ready"])


@pytest.mark.parametrize("component", ["control-plane", "relay", "agent-node1", "zygote-node1"])
def test_a_killed_component_comes_back(running: Cluster, component: str) -> None:
    before = running.component(component)
    os.kill(before["pid"], signal.SIGKILL)

    def back() -> bool:
        found = running.component(component)
        return found["pid"] not in (0, before["pid"]) and found["restarts"] > before["restarts"]

    until("a new process", back)
    until("Ready nodes", lambda: all(n["ready"] for n in running.status()["nodes"]))


def test_two_starts_at_once_make_one_cluster_and_two_purges_at_once_both_succeed(cluster: Cluster) -> None:
    up = cluster.runner.command("up", "--name", cluster.name, "--detach")
    down = cluster.runner.command("down", "--name", cluster.name, "--purge")
    for command, codes in ((up, [0, 1]), (down, [0, 0])):
        both = [cluster.runner.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
        said = [process.communicate(timeout=120) for process in both]
        assert sorted(process.returncode for process in both) == codes, said
        assert sum(err.count("\n") for _, err in said) == sum(codes), said
        if command is up:
            until("a ready cluster", lambda: cluster.status()["ready"])
    assert not cluster.state.exists()


@pytest.mark.parametrize("tells_pid", [False, True])
def test_a_cluster_in_the_foreground_ends_with_the_process_that_started_it(cluster: Cluster, tells_pid: bool) -> None:
    command = cluster.runner.command("up", "--name", cluster.name, "--api-port", str(free_port()), "--die-with-parent")
    words = "sys.argv[1:] + [str(os.getpid())]" if tells_pid else "sys.argv[1:]"
    script = f"import os, subprocess, sys; subprocess.run({words})"
    runner = [sys.executable, "-c", script, *command]
    with subprocess.Popen(runner, env=cluster.runner.environment, stdout=subprocess.DEVNULL) as parent:
        until("a ready cluster", lambda: cluster.status()["ready"])
        pids = cluster.processes()
        parent.kill()
    until("all gone", lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))
    assert not (cluster.state / "run.json").exists(), "it ended in order"


def test_nothing_starts_if_the_parent_has_already_ended(cluster: Cluster) -> None:
    line = line_of(cluster.fairlead("up", "--die-with-parent", "1"), 1)
    assert line == "fairlead: --die-with-parent: process 1 has ended"
    assert not cluster.state.exists()
    assert "omit one of them" in line_of(cluster.fairlead("up", "--detach", "--die-with-parent"), 2)
