"""A cluster with a registry on loopback, and shorthands for what tests of images do with both."""

from __future__ import annotations

import subprocess
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from tests.cluster.support import Cluster, until
from tests.images.imagemaker import Built, docker_archive
from tests.images.registryserver import Registry

API = "/api/v1/namespaces/default"


@dataclass(frozen=True)
class Scene:
    cluster: Cluster
    registry: Registry

    def load(self, image: Built, name: str) -> None:
        command = self.cluster.runner.command("image", "load", "-")
        environment = self.cluster.runner.environment
        data = docker_archive([(image, [name])])
        done = subprocess.run(command, env=environment, input=data, capture_output=True, check=False, cwd="/")
        assert done.returncode == 0, done.stderr.decode()

    def ask(self, method: str, path: str, body: object = None) -> Any:
        return self.cluster.access().call(method, path, body)

    def pod(self, name: str, image: str, *, policy: str = "IfNotPresent", **fields: Any) -> None:
        container = {"name": "main", "image": image, "imagePullPolicy": policy} | fields.pop("container", {})
        spec = {"containers": [container], "terminationGracePeriodSeconds": 0} | fields
        meta = {"name": name, "labels": {"app": name}}
        self.ask("POST", f"{API}/pods", {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})

    def publish(self, app: str, target: int, *, name: str = "") -> int:
        """Makes a Service for the Pods of this name, and returns its port on the host."""
        ports = [{"port": 80, "targetPort": target}]
        spec = {"type": "NodePort", "selector": {"app": app}, "ports": ports}
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name or app}, "spec": spec}
        return int(self.ask("POST", f"{API}/services", service)["spec"]["ports"][0]["nodePort"])

    def status(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"{API}/pods/{name}")["status"]
        return found

    def ready(self, name: str) -> dict[str, Any]:
        def probe() -> Any:
            statuses = self.status(name).get("containerStatuses") or [{}]
            return statuses[0] if statuses[0].get("ready") else None

        found: dict[str, Any] = until(f"{name} is ready", probe)
        return found

    def waiting(self, name: str, reason: str) -> str:
        def probe() -> Any:
            statuses = self.status(name).get("containerStatuses") or [{}]
            waiting = statuses[0].get("state", {}).get("waiting") or {}
            return waiting if waiting.get("reason") == reason else None

        return str(until(f"{name} waits with {reason}", probe)["message"])

    def events(self, name: str) -> list[str]:
        items = self.ask("GET", f"{API}/events?fieldSelector=involvedObject.name={name}")["items"]
        return [f"{event['reason']}: {event['message']}" for event in items]

    def event(self, name: str, text: str) -> str:
        """Waits for an event with the text; returns the whole event."""

        def probe() -> str:
            return next((event for event in self.events(name) if text in event), "")

        return until(f"the event {text!r}", probe)

    def logged(self, name: str, text: str) -> str:
        """Waits until the text is in the log; returns the log."""

        def probe() -> str:
            return log if text in (log := self.log(name)) else ""

        return until(f"{text!r} in the log", probe)

    def run_in(self, pod: str, *command: str) -> str:
        """Runs a command in a Pod by kubectl; returns its output."""
        kubeconfig = f"--kubeconfig={self.cluster.state}/kubeconfig"
        done = self.cluster.runner.run(["kubectl", kubeconfig, "exec", pod, "--", *command])
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def log(self, name: str) -> str:
        with closing(self.cluster.access().connect(timeout_s=60)) as connection:
            connection.request("GET", f"{API}/pods/{name}/log", headers={"Connection": "close"})
            with closing(connection.getresponse()) as answer:
                return str(answer.read().decode())


def fetch(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
        return str(answer.read().decode())
