"""The command `fairlead ui` on clusters of root and of an ordinary user, asked without a browser."""

from __future__ import annotations

import http.client
import json
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from bench.cluster import Access
from tests.cluster.support import Cluster, free_port, new_cluster, until
from tests.cluster.test_kill import PODS, SERVICES, ready_pods

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]
ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"


@contextmanager
def ui(cluster: Cluster) -> Iterator[str]:
    command = cluster.runner.command("ui", "--name", cluster.name, "--print")
    process = cluster.runner.start(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate(timeout=120)
    assert process.returncode == 0


class Client:
    """A browser's requests without a browser."""

    def __init__(self, origin: str, tls: ssl.SSLContext | None = None) -> None:
        self.origin, self.tls = origin, tls
        self.headers: dict[str, str] = {}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, str]:
        """Returns status, tree and the cookie that is set."""
        place = urlsplit(self.origin)
        assert place.hostname is not None
        connection = (
            http.client.HTTPSConnection(place.hostname, place.port, context=self.tls)
            if self.tls
            else http.client.HTTPConnection(place.hostname, place.port)
        )
        try:
            data = None if body is None else json.dumps(body)
            sent = {"Origin": self.origin, "Content-Type": "application/json"} | self.headers | headers
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read()), answer.headers.get("Set-Cookie", "")
        finally:
            connection.close()

    def log_in(self, token: str, **headers: str) -> str:
        """Returns the cookie as it was set."""
        status, tree, cookie = self.ask("POST", "/ui/session", {"token": token}, **headers)
        assert status == 200, tree
        self.headers |= {"Cookie": cookie.partition(";")[0], "X-Fairlead-Key": tree["key"]}
        return cookie


def check_requests(client: Client, api: Access) -> None:
    """Asks by HTTP and DNS, and finds a claim of HTTPS in front of plain HTTP."""
    path = "/ui/why?namespace=default&name={}&from=pod/web-1&http=1"
    found = client.ask("GET", path.format("web"))[1]
    steps = {step["check"]: step for step in found["checks"]}
    assert "port 80: HTTP/1.1 200 OK, " in steps["requests"]["lookedAt"]
    assert steps["lookup"]["status"] == "ok"
    claim = [{"name": "https", "port": 443, "targetPort": 80}]
    api.call("POST", SERVICES, {"metadata": {"name": "claims"}, "spec": {"selector": {"app": "web"}, "ports": claim}})

    def claims() -> str:
        return str(client.ask("GET", path.format("claims"))[1]["cause"])

    until("the claim", lambda: "port 443 claims HTTPS (name: https)" in claims())


@pytest.mark.parametrize("who", ["root", "user"])
def test_the_page_knows_the_kernel_and_the_processes_of_the_cluster(who: str) -> None:
    with new_cluster(who) as cluster:
        cluster.up("--nodes", "1", "--api-port", str(free_port()))
        api = cluster.access()
        labels = {"name": "web-1", "labels": {"app": "web"}}
        api.call("POST", PODS, {"metadata": labels, "spec": {"containers": [{"name": "web", "image": "nginx"}]}})
        spec = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
        api.call("POST", SERVICES, {"metadata": {"name": "web"}, "spec": spec})
        until("a ready Pod", lambda: len(ready_pods(cluster)) == 1)
        with ui(cluster) as url:
            client = Client(url.partition("/ui/")[0])
            cookie = client.log_in(url.partition("#")[2])
            assert "Secure" not in cookie
            _, found, _ = client.ask("GET", "/ui/session")
            assert found["user"] == "kubernetes-admin"

            def works() -> bool:
                return bool(client.ask("GET", "/ui/why?namespace=default&name=web")[1].get("verdict") == "ok")

            until("a Service that works", works)
            steps = client.ask("GET", "/ui/why?namespace=default&name=web")[1]["checks"]
            assert next(step for step in steps if step["check"] == "listening")["status"] == "ok"
            steps = client.ask("GET", "/ui/why?namespace=default&name=web&from=pod/web-1")[1]["checks"]
            connection = next(step for step in steps if step["check"] == "connection")
            assert (connection["status"], connection["lookedAt"].split(" to ")[0]) == (
                "ok",
                "a connection from pod/web-1",
            )
            check_requests(client, api)
            assert client.ask("GET", "/ui/why?namespace=default&name=web-1&kind=pod")[1]["verdict"] == "ok"
            way = "/ui/trace?namespace=default&from=node/node1&to=svc/web:80"
            until("rules as planned", lambda: client.ask("GET", way)[1].get("agrees"))
            assert [end["pod"] for end in client.ask("GET", way)[1]["kernel"]] == ["default/web-1"]
            for sender in ("pod/web-1", "node/node1", "host"):
                status, found, _ = client.ask("POST", way.replace("node/node1", sender))
                assert (status, found["live"]["outcome"], found["live"]["agrees"]) == (200, "answered", True), found


def test_the_api_server_serves_the_page_over_https_to_a_service_account() -> None:
    with new_cluster() as cluster:
        port = free_port()
        cluster.up("--nodes", "1", "--api-port", str(port))
        api = cluster.access()
        api.call("POST", ACCOUNTS, {"metadata": {"name": "viewer"}})
        token = api.call("POST", f"{ACCOUNTS}/viewer/token", {"spec": {}})["status"]["token"]
        tls = ssl.create_default_context(cafile=str(cluster.state / "pki" / "ca.crt"))
        client = Client(f"https://127.0.0.1:{port}", tls)
        assert client.ask("GET", "/ui/session")[0] == 401
        assert "; Secure" in client.log_in("", Authorization=f"Bearer {token}")
        assert client.ask("GET", "/ui/session")[1]["user"] == "system:serviceaccount:default:viewer"
        assert client.ask("GET", PODS)[0] == 403
