"""`kubectl run -i`, `run -it` and `attach` with the real kubectl, on a terminal if the command needs one."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cluster.support import until
from tests.kubectl.conftest import Kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

RUN = ("run", "-i", "--rm", "--restart=Never", "--image=busybox")
PROMPT = "If you don't see a command prompt, try pressing enter."


def environment(kubectl: Kubectl) -> dict[str, str]:
    return kubectl.cluster.runner.environment | {
        "KUBECONFIG": str(kubectl.cluster.state / "kubeconfig"),
        "HOME": str(kubectl.cluster.home),
        "TERM": "xterm",
    }


def piped(kubectl: Kubectl, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*kubectl.cluster.runner.prefix, kubectl.binary, *arguments]
    return subprocess.run(
        command, env=environment(kubectl), input=text, capture_output=True, text=True, check=False, timeout=60
    )


class Terminal:
    """A program on a terminal, and its output."""

    def __init__(self, master: int, running: subprocess.Popen[bytes]) -> None:
        self._master = master
        self.running = running
        self.shown = ""

    def see(self, text: str, *, limit_s: float = 60) -> None:
        """Waits until `text` appears after the output matched before."""
        end, fresh = time.monotonic() + limit_s, ""
        while text not in fresh:
            if not select.select([self._master], [], [], max(end - time.monotonic(), 0))[0]:
                pytest.fail(f"{text!r} did not come; shown: {self.shown}{fresh}")
            try:
                fresh += os.read(self._master, 4096).decode()
            except OSError:
                pytest.fail(f"ended without {text!r}; shown: {self.shown}{fresh}")
        self.shown += fresh

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())


@contextmanager
def on_terminal(kubectl: Kubectl, *arguments: str) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    os.fchmod(slave, 0o666)  # kubectl's user is not the user who opened the terminal
    command = [*kubectl.cluster.runner.prefix, kubectl.binary, *arguments]
    try:
        with subprocess.Popen(
            command, env=environment(kubectl), stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        ) as running:
            os.close(slave)
            try:
                yield Terminal(master, running)
            finally:
                running.kill()
    finally:
        os.close(master)


def test_a_piped_input_goes_in_and_the_output_and_exit_code_come_out(kubectl: Kubectl) -> None:
    done = piped(kubectl, "one\ntwo\n", *RUN, "tmp", "--", "sh", "-c", "tr a-z A-Z; exit 7")
    assert (done.stdout.split('pod "tmp"')[0], done.returncode) == ("ONE\nTWO\n", 7), done.stderr
    assert "falling back" not in done.stderr
    assert "terminated (Error)" in done.stderr
    assert kubectl.try_("get", "po", "tmp").returncode != 0, "removed, as --rm asked"


def test_a_service_is_asked_from_a_passing_pod(kubectl: Kubectl) -> None:
    kubectl("create", "deployment", "web", "--image=nginx")
    kubectl("expose", "deployment", "web", "--port=80")
    kubectl("rollout", "status", "deployment/web", "--timeout=120s")
    until("an endpoint", lambda: "10.244" in kubectl("get", "endpoints", "web", "-o", "yaml"))
    done = piped(kubectl, "", *RUN, "ask", "--", "curl", "-sS", "--max-time", "5", "http://web")
    assert "nginx in Pod web-" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0


def test_a_shell_on_a_terminal_is_left_and_joined_again(kubectl: Kubectl) -> None:
    with on_terminal(kubectl, "run", "-it", "--restart=Never", "--image=busybox", "shell", "--", "sh") as terminal:
        terminal.see(PROMPT)
        terminal.type("\n")
        terminal.see("# ")
        terminal.type("word=kept; echo $((6*7))-$(hostname)\n")
        terminal.see("42-shell")
    with on_terminal(kubectl, "attach", "-it", "shell") as terminal:
        terminal.see(PROMPT)
        terminal.type("echo again-$word\n")
        terminal.see("again-kept")
        terminal.type("exit 5\n")
        assert terminal.running.wait(timeout=60) == 0
    until("its exit code", lambda: "exitCode: 5" in kubectl("get", "po", "shell", "-o", "yaml"))
    assert "again-kept" in kubectl("logs", "shell")
    refused = kubectl.try_("attach", "shell")
    assert "cannot attach a container in a completed pod; current phase is Failed" in refused.stderr


def test_a_passing_shell_is_removed_when_it_is_left(kubectl: Kubectl) -> None:
    with on_terminal(kubectl, "run", "-it", "--rm", "--image=busybox", "tmp", "--", "sh") as terminal:
        terminal.see(PROMPT)
        terminal.type("\n")
        terminal.see("# ")
        terminal.type("stty size; exit\n")
        terminal.see('pod "tmp" deleted')
        assert terminal.running.wait(timeout=60) == 0


def test_what_a_container_says_is_watched_without_an_input(kubectl: Kubectl) -> None:
    kubectl("run", "clock", "--restart=Never", "--image=busybox", "--", "sh", "-c", "sleep 2; echo late; exit 1")
    kubectl("wait", "--for=condition=Ready", "pod/clock", "--timeout=120s")
    done = kubectl.try_("attach", "clock")
    assert (done.stdout, done.returncode) == ("late\n", 0), done.stderr
