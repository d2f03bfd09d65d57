"""`kubectl debug` on a terminal: in an ephemeral container, in a copy of the Pod, and on a node."""

from __future__ import annotations

import json

import pytest

from tests.cluster.support import until
from tests.kubectl.conftest import Kubectl
from tests.kubectl.test_attach import on_terminal

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

HINT = "If you don't see a command prompt, try pressing enter."
PROFILE = "--profile=general"


@pytest.fixture(scope="module", autouse=True)
def app(kubectl: Kubectl) -> None:
    kubectl("run", "app", "--image=busybox", "--command", "--", "sleep", "4242")
    kubectl("wait", "--for=condition=Ready", "pod/app", "--timeout=120s")


def test_a_debugger_joins_a_container_and_is_attached_to_again(kubectl: Kubectl) -> None:
    ask = ("debug", "-it", "app", "--image=busybox", "--target=app", "-c", "dbg", PROFILE, "--", "sh")
    with on_terminal(kubectl, *ask) as terminal:
        terminal.see(HINT)
        terminal.type("tr '\\0' ' ' </proc/1/cmdline; word=kept\n")
        terminal.see("sleep 4242")
    with on_terminal(kubectl, "attach", "-it", "app", "-c", "dbg") as terminal:
        terminal.see(HINT)
        terminal.type("echo again-$word; exit 3\n")
        terminal.see("again-kept")
        terminal.running.wait(timeout=60)

    def state() -> object:
        status = json.loads(kubectl("get", "pod", "app", "-o", "json"))["status"]["ephemeralContainerStatuses"][0]
        return status["name"], status["state"].get("terminated", {}).get("exitCode")

    until("its end", lambda: state() == ("dbg", 3))
    assert "again-kept" in kubectl("logs", "app", "-c", "dbg")
    assert "1/1" in kubectl("get", "pod", "app", "--no-headers")
    refused = kubectl.try_("exec", "app", "-c", "dbg", "--", "true")
    assert 'container not found ("dbg")' in refused.stderr


def test_a_pod_is_debugged_in_a_copy_of_it(kubectl: Kubectl) -> None:
    ask = ("debug", "-it", "app", "--image=busybox", "--copy-to=copy", "--container=dbg", PROFILE, "--", "sh")
    with on_terminal(kubectl, *ask) as terminal:
        terminal.see(HINT)
        terminal.type("echo in-$(hostname)\n")
        terminal.see("in-copy")
        terminal.type("exit\n")
        terminal.running.wait(timeout=60)
    assert json.loads(kubectl("get", "pod", "copy", "-o", "json"))["spec"]["containers"][1]["name"] == "dbg"


def test_a_node_is_debugged_with_its_files_and_network(kubectl: Kubectl) -> None:
    with on_terminal(kubectl, "debug", "-it", "node/node1", "--image=busybox", PROFILE, "--", "sh") as terminal:
        terminal.see(HINT)
        terminal.type("test -d /host/usr/bin && echo on-$(hostname)-with-files\n")
        terminal.see("on-node1-with-files")
        terminal.type("exit\n")
        assert terminal.running.wait(timeout=60) == 0
