"""Namespaces and kernel parameters of Pods, and images as volumes, for root and an ordinary user."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.kubectl import Kubectl
from tests.cluster.support import RUNNERS, free_port, new_cluster, until
from tests.images.imagemaker import build, docker_archive, entry, tar_of

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

SLEEP = ["sleep", "1000000"]


@pytest.fixture(scope="module", params=sorted(RUNNERS))
def kubectl(request: pytest.FixtureRequest) -> Iterator[Kubectl]:
    with new_cluster(request.param) as cluster:
        cluster.up("--api-port", str(free_port()), "--registries", "none")
        yield Kubectl(cluster)


def is_root(kubectl: Kubectl) -> bool:
    return not kubectl.cluster.runner.prefix


def make(kubectl: Kubectl, name: str, *containers: str, wait: bool = True, **spec: Any) -> None:
    made = [{"name": one, "image": "busybox", "command": SLEEP} for one in containers or ("main",)]
    for container, more in zip(made, spec.pop("more", [{}] * len(made)), strict=True):
        container |= more
    body = {"terminationGracePeriodSeconds": 0, "containers": made} | spec
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": body}
    kubectl("apply -f -", json.dumps(pod))
    if wait:
        kubectl(f"wait --for=condition=Ready pod/{name} --timeout=120s")


def execute(kubectl: Kubectl, name: str, script: str, *, container: str = "main") -> str:
    return kubectl.run(["exec", name, "-c", container, "--", "sh", "-c", script])


def status(kubectl: Kubectl, name: str) -> dict[str, Any]:
    found: dict[str, Any] = kubectl.cluster.access().call("GET", f"/api/v1/namespaces/default/pods/{name}")["status"]
    return found


def test_containers_share_their_processes(kubectl: Kubectl) -> None:
    make(kubectl, "shared", "one", "two", shareProcessNamespace=True)
    listed = execute(kubectl, "shared", "ps -o pid,comm,args", container="one")
    assert listed.count("sleep 1000000") == 2
    assert listed.splitlines()[1].split()[:2] == ["1", "pause"]
    execute(kubectl, "shared", "kill -9 $(pgrep -n sleep)", container="one")

    def restarted() -> Any:
        found = status(kubectl, "shared")["containerStatuses"]
        return sorted(one["restartCount"] for one in found) == [0, 1] and all(one["ready"] for one in found)

    until("one container was started again", restarted)
    assert execute(kubectl, "shared", "pgrep sleep | wc -l", container="one").strip() == "2"
    # The first process is the node's: its files and its memory stay closed.
    script = "ls /proc/1/root/ 2>/dev/null | wc -l; ls /proc/1/fd 2>/dev/null | wc -l"
    assert execute(kubectl, "shared", script, container="one") == "0\n0\n"


def test_a_pod_of_root_has_the_nodes_processes_and_objects(kubectl: Kubectl) -> None:
    make(kubectl, "seeing", hostPID=True, hostIPC=True)
    count = int(execute(kubectl, "seeing", "ls -d /proc/[0-9]* | wc -l"))
    make(kubectl, "plain")
    namespace = "readlink /proc/self/ns/ipc"
    same = execute(kubectl, "seeing", namespace) == execute(kubectl, "plain", namespace)
    events = "get events --field-selector involvedObject.name=seeing,reason=Ignored -o wide"
    if is_root(kubectl):
        assert count > 5
        assert "hostPID" not in kubectl(events)
        execute(kubectl, "seeing", "grep -l agent- /proc/[0-9]*/comm")
    else:
        assert count < 5
        until("events", lambda: {"spec.hostIPC", "spec.hostPID"} <= set(re.findall(r"spec\.\w+", kubectl(events))))
    assert not same
    kubectl("delete pod seeing --wait=true")


def test_safe_parameters_are_set_and_others_are_refused(kubectl: Kubectl) -> None:
    names = {"kernel.shm_rmid_forced": "1", "net.ipv4.ip_local_port_range": "5000 5100", "net/ipv4/tcp_syncookies": "0"}
    sysctls = [{"name": name, "value": value} for name, value in names.items()]
    make(kubectl, "tuned", securityContext={"sysctls": sysctls})
    files = "kernel/shm_rmid_forced net/ipv4/ip_local_port_range net/ipv4/tcp_syncookies"
    assert execute(kubectl, "tuned", f"cd /proc/sys; cat {files}").split() == ["1", "5000", "5100", "0"]
    make(kubectl, "refused", wait=False, securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]})
    found = until("it is refused", lambda: (s := status(kubectl, "refused"))["phase"] == "Failed" and s)
    assert found["reason"] == "SysctlForbidden"
    assert found["message"] == 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted'


def test_an_image_is_a_volume_that_cannot_be_written(kubectl: Kubectl) -> None:
    layers = [tar_of(entry("data/a", "first\n"), entry("data/b", "below\n")), tar_of(entry("data/b", "above\n"))]
    archive = docker_archive([(build(layers), ["example.com/data:1"]), (build(layers[:1]), ["example.com/one:1"])])
    runner = kubectl.cluster.runner
    command = runner.command("image", "load", "-")
    done = subprocess.run(command, env=runner.environment, input=archive, capture_output=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr.decode()
    volumes = [{"name": n, "image": {"reference": f"example.com/{n}:1"}} for n in ("data", "one")]
    mounts = [
        {"name": "data", "mountPath": "/data"},
        {"name": "one", "mountPath": "/one"},
        {"name": "data", "mountPath": "/sub", "subPath": "data"},
    ]
    make(kubectl, "filled", volumes=volumes, more=[{"volumeMounts": mounts}])
    script = "cat /data/data/a /data/data/b /one/data/b /sub/b; touch /data/x /one/x 2>&1 | grep -c Read-only"
    assert execute(kubectl, "filled", script) == "first\nabove\nbelow\nabove\n2\n"
    missing = [{"name": "v", "image": {"reference": "example.com/missing:1"}}]
    more = [{"volumeMounts": [{"name": "v", "mountPath": "/v"}]}]
    make(kubectl, "lacking", wait=False, volumes=missing, more=more)
    events = "get events --field-selector reason=FailedMount"
    until("the event is there", lambda: "example.com/missing:1" in kubectl(events))


def test_the_default_profile_refuses_namespaces_and_mounts(kubectl: Kubectl) -> None:
    make(kubectl, "free")
    make(kubectl, "profiled", securityContext={"seccompProfile": {"type": "RuntimeDefault"}})
    exempt = {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}
    make(kubectl, "exempt", securityContext={"seccompProfile": {"type": "RuntimeDefault"}}, more=[exempt])
    script = "unshare -U true 2>&1; mount -t tmpfs none /tmp 2>&1; grep Seccomp: /proc/self/status"
    assert "unshare" not in execute(kubectl, "free", script)
    refused = execute(kubectl, "profiled", script)
    assert "unshare(0x10000000): Operation not permitted" in refused
    assert "mount: " in refused
    assert "unshare" not in execute(kubectl, "exempt", script)
    assert execute(kubectl, "profiled", "ls / | wc -l; (sleep 0; echo forked) | cat").endswith("forked\n")


def test_proc_is_open_if_the_manifest_says_so_but_not_in_roots_cluster(kubectl: Kubectl) -> None:
    make(kubectl, "open", more=[{"securityContext": {"procMount": "Unmasked"}}])
    masked = int(execute(kubectl, "open", "grep -c ' /proc/' /proc/mounts || true"))
    events = "get events --field-selector involvedObject.name=open,reason=Ignored -o wide"
    until("an event for root", lambda: ("procMount" in kubectl(events)) == is_root(kubectl))
    assert (masked > 0) == is_root(kubectl)
