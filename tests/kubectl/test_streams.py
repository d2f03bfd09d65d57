"""Exec, cp, run -i and port-forward over SPDY and over WebSocket, and watches and logs over WebSocket: real clients."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import websocket
import yaml

from tests.cluster.support import until
from tests.kubectl.conftest import Kubectl
from tests.kubectl.test_attach import environment
from tests.kubectl.test_ways_in import port_forward

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

WAYS = pytest.mark.parametrize("websockets", [False, True], ids=["spdy", "websocket"])
PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture(scope="module", autouse=True)
def pod(kubectl: Kubectl) -> None:
    script = "echo one; printf two; python3 -m http.server --bind 127.0.0.1 8080"
    kubectl("run", "p", "--image=busybox", "--", "sh", "-c", script)
    kubectl("wait", "--for=condition=Ready", "pod/p", "--timeout=120s")


def told(kubectl: Kubectl, *arguments: str, websockets: bool, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    chosen = environment(kubectl) | {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": str(websockets).lower()}
    command = [*kubectl.cluster.runner.prefix, kubectl.binary, *arguments]
    return subprocess.run(
        command, env=chosen, input=given, capture_output=True, check=False, timeout=60, cwd=kubectl.cluster.home
    )


@WAYS
def test_exec_carries_input_outputs_and_the_exit_code(kubectl: Kubectl, websockets: bool) -> None:
    script = "cat; echo err >&2; exit 3"
    done = told(kubectl, "exec", "-i", "p", "--", "sh", "-c", script, websockets=websockets, given=b"in\n" * 100_000)
    assert done.stdout == b"in\n" * 100_000
    assert (done.stderr, done.returncode) == (b"err\ncommand terminated with exit code 3\n", 3)


@WAYS
def test_files_are_copied_both_ways(kubectl: Kubectl, websockets: bool) -> None:
    home = Path(kubectl.cluster.home)
    data = bytes(range(256)) * 8192
    (home / "sent").write_bytes(data)
    for source, target in (("sent", "p:/tmp/file"), ("p:/tmp/file", f"back-{websockets}")):
        done = told(kubectl, "cp", source, target, websockets=websockets)
        assert done.returncode == 0, done.stderr
    assert (home / f"back-{websockets}").read_bytes() == data


@WAYS
def test_run_with_an_input_ends_with_the_programs_exit_code(kubectl: Kubectl, websockets: bool) -> None:
    run = ("run", "-i", "--rm", "--restart=Never", "--image=busybox", f"tmp-{websockets}".lower(), "--", "sh")
    done = told(kubectl, *run, websockets=websockets, given=b"echo $((6*7)); exit 4\n")
    assert (done.stdout.splitlines()[0], done.returncode) == (b"42", 4), done.stderr


@WAYS
def test_exec_into_a_completed_pod_is_an_error(kubectl: Kubectl, websockets: bool) -> None:
    kubectl("run", f"over-{websockets}".lower(), "--image=busybox", "--restart=Never", "--", "true")
    name = f"over-{websockets}".lower()
    until("its end", lambda: "Completed" in kubectl("get", "pod", name))
    done = told(kubectl, "exec", name, "--", "true", websockets=websockets)
    assert (done.returncode, b"completed pod" in done.stderr or b"container not found" in done.stderr) == (1, True)


@WAYS
def test_a_port_on_a_pods_loopback_is_forwarded(kubectl: Kubectl, websockets: bool) -> None:
    with port_forward(kubectl, "pod/p", 8080, websockets=websockets) as port:
        for _ in range(3):
            command = ["curl", "-sS", "--max-time", "5", f"http://127.0.0.1:{port}/"]
            done = subprocess.run(command, capture_output=True, check=True)
            assert b"Directory listing" in done.stdout


# Runs in a separate process, because that library leaves sockets open.
PYTHON_CLIENT = """
import sys
from kubernetes import client, config
from kubernetes.stream import stream
core = client.CoreV1Api(config.new_client_from_config(sys.argv[1]))
def run(script, **more):
    options = {"stdin": False, "stdout": True, "stderr": True, "tty": False} | more
    exec_ = core.connect_get_namespaced_pod_exec
    return stream(exec_, "p", "default", command=["sh", "-c", script], **options)
print(sorted(run("echo x; echo y >&2").split()))
talk = run("read x; echo got $x; read y; exit 5", stdin=True, _preload_content=False)
talk.write_stdin("this\\n")
print(talk.readline_stdout(timeout=60))
talk.write_stdin("\\n")
talk.run_forever(timeout=60)
print(talk.returncode)
"""


def test_the_python_client_runs_commands(kubectl: Kubectl) -> None:
    command = [sys.executable, "-c", PYTHON_CLIENT, str(kubectl.cluster.state / "kubeconfig")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    assert done.stdout == "['x', 'y']\ngot this\n5\n", done.stderr


def connect(kubectl: Kubectl, path: str, *protocols: str) -> Any:
    """Opens a WebSocket to the API server, with the cluster's client certificate."""
    text = (kubectl.cluster.state / "kubeconfig").read_text()
    tree = yaml.safe_load(text)
    cluster, user = tree["clusters"][0]["cluster"], tree["users"][0]["user"]
    files = {}
    for name, source in (("cert", user["client-certificate-data"]), ("key", user["client-key-data"])):
        files[name] = kubectl.manifests / f"client.{name}"
        files[name].write_bytes(b64decode(source))
    context = ssl.create_default_context(cadata=b64decode(cluster["certificate-authority-data"]).decode())
    context.load_cert_chain(files["cert"], files["key"])
    where = urlsplit(cluster["server"]).netloc
    url = f"wss://{where}{path}"
    return websocket.create_connection(url, timeout=60, subprotocols=list(protocols), sslopt={"context": context})


def test_a_watch_over_websocket_brings_events_as_text(kubectl: Kubectl) -> None:
    ws = connect(kubectl, "/api/v1/namespaces/default/configmaps?watch=1&fieldSelector=metadata.name=ws")
    kubectl("create", "configmap", "ws")
    opcode, data = ws.recv_data()
    event = json.loads(data)
    ws.close()
    assert (opcode, event["type"], event["object"]["metadata"]["name"]) == (websocket.ABNF.OPCODE_TEXT, "ADDED", "ws")


@pytest.mark.parametrize("protocol", ["", "binary.k8s.io", "base64.binary.k8s.io"])
def test_logs_come_over_websocket_in_every_subprotocol(kubectl: Kubectl, protocol: str) -> None:
    ws = connect(kubectl, f"{PODS}/p/log?follow=true", *filter(None, [protocol]))
    assert (ws.getsubprotocol() or "") == protocol
    coded = protocol.startswith("base64")
    assert ws.recv_data() == (websocket.ABNF.OPCODE_TEXT if coded else websocket.ABNF.OPCODE_BINARY, b"")
    data = b""
    while not data.startswith(b"one\n"):
        piece = ws.recv_data()[1]
        data += b64decode(piece) if coded else piece
    ws.close()


def test_an_unknown_log_protocol_is_refused(kubectl: Kubectl) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        connect(kubectl, f"{PODS}/p/log", "v4.channel.k8s.io")
