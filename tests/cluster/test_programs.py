"""Real servers in images of a registry on loopback, each behind a Service, written to and read back: for root, and for
an ordinary user with one mapped id."""

from __future__ import annotations

import socket
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest

from tests.cluster.imagescene import Scene, fetch
from tests.cluster.support import RUNNERS, new_cluster, until
from tests.images import programs
from tests.images.imagemaker import Built
from tests.images.registryserver import serving

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]


@pytest.fixture(scope="module", params=sorted(RUNNERS))
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with serving() as registry, new_cluster(request.param) as cluster:
        cluster.up("--registries", registry.host)
        yield Scene(cluster, registry)


def start(scene: Scene, name: str, image: Built, port: int) -> int:
    """Pushes the image, runs it as a Pod behind a Service, and returns the Service's port on the host."""
    scene.registry.push(f"library/{name}", "1", image)
    scene.pod(name, f"{scene.registry.host}/library/{name}:1", container={"ports": [{"containerPort": port}]})
    status = scene.ready(name)
    assert status["restartCount"] == 0, scene.log(name)
    return scene.publish(name, port)


def ask_redis(port: int, *commands: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall("".join(f"{command}\r\n" for command in (*commands, "QUIT")).encode())
        return b"".join(iter(lambda: client.recv(4096), b"")).decode()


def test_redis_keeps_what_a_client_writes(scene: Scene) -> None:
    port = start(scene, "redis", programs.redis(), 6379)
    until("redis answers", lambda: ask_redis(port, "PING").startswith("+PONG"))
    assert ask_redis(port, "SET colour blue", "SAVE") == "+OK\r\n+OK\r\n+OK\r\n"
    assert "blue" in ask_redis(port, "GET colour")
    assert scene.logged("redis", "\n").startswith("started as redis, home of redis\n")


def test_postgres_starts_as_its_user_and_stores_rows(scene: Scene) -> None:
    port = start(scene, "postgres", programs.postgres(), 5432)
    psql = programs.program("psql")

    def query(sql: str) -> str:
        command = [psql, "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-tAc", sql]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=180).stdout

    until("postgres answers", lambda: query("SELECT 1") == "1\n")
    query("CREATE TABLE notes (text text)")
    query("INSERT INTO notes VALUES ('kept')")
    assert query("SELECT text FROM notes") == "kept\n"
    assert scene.logged("postgres", "\n").startswith("started as postgres, home of postgres\n")


def test_caddy_serves_a_page_and_takes_a_new_configuration(scene: Scene) -> None:
    port = start(scene, "caddy", programs.caddy(), 80)
    assert until("caddy answers", lambda: fetch(port)) == "caddy's page\n"
    scene.run_in("caddy", "sh", "-c", "echo written > /srv/index.html")
    assert fetch(port) == "written\n", scene.log("httpd")
    admin = scene.publish("caddy", 2019, name="caddy-admin")
    text = programs.CADDYFILE.replace("file_server", 'respond "configured"')
    load = urllib.request.Request(
        f"http://127.0.0.1:{admin}/load", text.encode(), {"Content-Type": "text/caddyfile"}, method="POST"
    )

    def loaded() -> bool:
        with urllib.request.urlopen(load, timeout=60) as answer:
            return int(answer.status) == 200

    until("the admin interface answers", loaded)
    assert until("the new configuration", lambda: fetch(port) == "configured")


def test_httpd_starts_as_root_and_serves_what_was_written(scene: Scene) -> None:
    port = start(scene, "httpd", programs.httpd(), 80)
    assert until("httpd answers", lambda: fetch(port)) == "It works!\n"
    scene.run_in("httpd", "sh", "-c", "echo written > /usr/local/apache2/htdocs/index.html")
    assert fetch(port) == "written\n", scene.log("httpd")
