"""Programs of this machine under the names of images, for root and for an ordinary user with one mapped id."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.imagescene import API, Scene, fetch
from tests.cluster.support import RUNNERS, new_cluster, until
from tests.cluster.test_programs import ask_redis
from tests.images.registryserver import Registry

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]


@pytest.fixture(scope="module", params=sorted(RUNNERS))
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with new_cluster(request.param) as cluster:
        cluster.up("--registries", "none")
        yield Scene(cluster, Registry())


def needs(program: str) -> None:
    if shutil.which(program, path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin") is None:
        pytest.skip(f"{program} is not installed")


def config_map(scene: Scene, name: str, **data: str) -> dict[str, Any]:
    """Makes a ConfigMap; returns the volume of it that makes all files executable."""
    files = {key.replace("_", "."): value for key, value in data.items()}
    meta = {"name": name}
    scene.ask("POST", f"{API}/configmaps", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": files})
    return {"name": name, "configMap": {"name": name, "defaultMode": 0o755}}


def test_a_page_is_written_by_the_command_by_a_hook_and_by_exec(scene: Scene) -> None:
    page = "/usr/share/nginx/html/index.html"
    script = f"echo by-command > {page} && exec nginx -g 'daemon off;'"
    scene.pod("bycommand", "nginx", container={"command": ["/bin/sh", "-c"], "args": [script]})
    hook = {"postStart": {"exec": {"command": ["sh", "-c", f"echo by-hook > {page}"]}}}
    scene.pod("byhook", "nginx:1.14", container={"lifecycle": hook})
    for name in ("bycommand", "byhook"):
        scene.ready(name)
    port = scene.publish("bycommand", 80)
    assert until("the command's page", lambda: fetch(port)) == "by-command\n"
    port = scene.publish("byhook", 80)
    assert until("the hook's page", lambda: fetch(port)) == "by-hook\n"
    scene.run_in("byhook", "sh", "-c", f"echo by-exec > {page}")
    assert fetch(port) == "by-exec\n"
    assert until("the request is logged", lambda: '"GET / HTTP/1.1" 200' in scene.log("byhook"))


def test_nginx_takes_a_whole_configuration_templates_and_scripts(scene: Scene) -> None:
    conf = (
        "user nginx;\nerror_log /var/log/nginx/error.log;\npid /var/run/nginx.pid;\nevents {}\n"
        "http { access_log /var/log/nginx/access.log; include /etc/nginx/conf.d/*.conf; }\n"
    )
    template = 'server { listen ${PORT}; location / { return 200 "$uri from ${GREETING}\\n"; } }\n'
    volumes = [
        config_map(scene, "conf", nginx_conf=conf),
        config_map(scene, "templates", site_conf_template=template),
        config_map(scene, "scripts", **{"10-say_sh": "#!/bin/sh\necho script ran\n"}),
    ]
    mounts = [
        {"name": "conf", "mountPath": "/etc/nginx/nginx.conf", "subPath": "nginx.conf"},
        {"name": "templates", "mountPath": "/etc/nginx/templates"},
        {"name": "scripts", "mountPath": "/docker-entrypoint.d/10-say.sh", "subPath": "10-say.sh"},
    ]
    env = [{"name": "PORT", "value": "8081"}, {"name": "GREETING", "value": "the template"}]
    scene.pod("templated", "nginx", container={"volumeMounts": mounts, "env": env}, volumes=volumes)
    scene.ready("templated")
    port = scene.publish("templated", 8081)
    assert until("the Service answers", lambda: fetch(port)) == "/ from the template\n"
    assert scene.logged("templated", "script ran\n")
    assert until("the request is logged", lambda: "GET / HTTP/1.1" in scene.log("templated"))


def test_nginx_without_privileges_serves_as_its_user(scene: Scene) -> None:
    strict = {"runAsNonRoot": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    scene.pod("plain", "nginxinc/nginx-unprivileged:1.27", container={"securityContext": strict})
    scene.ready("plain")
    port = scene.publish("plain", 8080)
    assert "Welcome to nginx!" in until("the Service answers", lambda: fetch(port))
    assert until("the request is logged", lambda: '"GET / HTTP/1.1" 200' in scene.log("plain"))


def test_redis_and_memcached_keep_what_is_written(scene: Scene) -> None:
    needs("redis-server")
    needs("memcached")
    scene.pod("redis", "redis:7")
    scene.pod("memcached", "memcached")
    for name in ("redis", "memcached"):
        scene.ready(name)
    port = scene.publish("redis", 6379)
    until("redis answers", lambda: ask_redis(port, "PING").startswith("+PONG"))
    assert ask_redis(port, "SET colour blue", "GET colour").endswith("blue\r\n+OK\r\n")
    port = scene.publish("memcached", 11211)

    def ask(text: str) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            client.sendall(f"{text}\r\nquit\r\n".encode())
            return b"".join(iter(lambda: client.recv(4096), b""))

    until("memcached answers", lambda: ask("version").startswith(b"VERSION"))
    assert ask("set k 0 0 5\r\nvalue") == b"STORED\r\n"
    assert b"value" in ask("get k")
    assert scene.event("redis", "is served by the host's redis-server")


def test_postgres_makes_its_database_from_the_environment(scene: Scene) -> None:
    needs("psql")
    env = [{"name": f"POSTGRES_{name}", "value": value} for name, value in (("PASSWORD", "it's"), ("DB", "app"))]
    volume = config_map(scene, "pginit", one_sql="CREATE TABLE notes (text text); INSERT INTO notes VALUES ('first');")
    mounts = [{"name": "pginit", "mountPath": "/docker-entrypoint-initdb.d"}]
    scene.pod("postgres", "postgres:16", container={"env": env, "volumeMounts": mounts}, volumes=[volume])
    scene.ready("postgres")
    port = scene.publish("postgres", 5432)

    def query(sql: str) -> str:
        command = ["psql", f"postgresql://postgres:it%27s@127.0.0.1:{port}/app", "-tAc", sql]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=180).stdout

    assert until("postgres answers", lambda: query("SELECT text FROM notes")) == "first\n"
    query("INSERT INTO notes VALUES ('second')")
    assert query("SELECT count(*) FROM notes") == "2\n"
    scene.pod("nopassword", "postgres:16", restartPolicy="Never")
    until("it has ended", lambda: scene.status("nopassword").get("phase") == "Failed")
    assert scene.logged("nopassword", "set POSTGRES_PASSWORD")


def test_mysql_makes_its_database_from_the_environment(scene: Scene) -> None:
    needs("mariadbd")
    values = {"ROOT_PASSWORD": "s'3\\", "DATABASE": "app", "USER": "ann", "PASSWORD": "p"}
    env = [{"name": f"MYSQL_{name}", "value": value} for name, value in values.items()]
    scene.pod("mysql", "mysql:8", container={"env": env})
    scene.ready("mysql")
    port = scene.publish("mysql", 3306)

    def query(user: str, password: str, sql: str) -> str:
        command = ["mariadb", "-h", "127.0.0.1", "-P", str(port), "-u", user, f"-p{password}", "app", "-Ne", sql]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=180).stdout

    until("mysql answers", lambda: query("ann", "p", "SELECT 1") == "1\n")
    query("ann", "p", "CREATE TABLE notes (text text); INSERT INTO notes VALUES ('kept')")
    assert query("root", "s'3\\", "SELECT text FROM notes") == "kept\n"
    assert query("root", "wrong", "SELECT 1") == ""


def test_httpd_and_haproxy_serve(scene: Scene) -> None:
    needs("apache2")
    needs("haproxy")
    scene.pod("httpd", "httpd:2.4")
    scene.ready("httpd")
    backend = scene.publish("httpd", 80)
    assert "It works!" in until("httpd answers", lambda: fetch(backend))
    scene.run_in("httpd", "sh", "-c", "echo written > /usr/local/apache2/htdocs/index.html")
    assert fetch(backend) == "written\n"
    conf = (
        "defaults\n mode http\n timeout connect 5s\n timeout client 5s\n timeout server 5s\n"
        "frontend all\n bind :8080\n default_backend web\nbackend web\n server one httpd:80\n"
    )
    volume = config_map(scene, "haproxy", haproxy_cfg=conf)
    mounts = [{"name": "haproxy", "mountPath": "/usr/local/etc/haproxy"}]
    scene.pod("haproxy", "haproxy", container={"volumeMounts": mounts}, volumes=[volume])
    scene.ready("haproxy")
    port = scene.publish("haproxy", 8080)
    assert until("haproxy answers", lambda: fetch(port)) == "written\n"


def test_python_is_found_by_its_short_name_and_scripts_write_beside_it(scene: Scene) -> None:
    script = "import sys; open('/opt/made', 'w').write('x'); print(sys.version_info.major)"
    scene.pod("python", "python:3.12-slim", container={"command": ["python", "-c", script]}, restartPolicy="Never")
    until("it has ended", lambda: scene.status("python").get("phase") == "Succeeded")
    assert scene.logged("python", "\n") == "3\n"


def test_a_tutorials_web_server_is_answered_and_named(scene: Scene) -> None:
    scene.pod("whoami", "traefik/whoami:v1.10")
    assert scene.ready("whoami")["imageID"].endswith("/whoami")
    port = scene.publish("whoami", 80)
    assert "Hostname: whoami" in until("it answers", lambda: fetch(port)).split("\n")
    assert scene.event("whoami", "as fairlead/web, which answers like whoami")


def test_the_cluster_has_a_catalogue_in_a_file_and_in_a_config_map(scene: Scene) -> None:
    entry = '[[image]]\nnames = ["{0}"]\nprogram = "sh"\nargs = ["sh", "-c", "echo by {0}; exec sleep 600"]\n'
    data = {"images.toml": entry.format("own-map")}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fairlead-images"}, "data": data}
    scene.ask("POST", "/api/v1/namespaces/kube-system/configmaps", config)
    scene.pod("ownmap", "example.com/own-map:1")
    scene.ready("ownmap")
    assert scene.logged("ownmap", "\n") == "by own-map\n"
    file = scene.cluster.home / "catalogue.toml"
    file.write_text(entry.format("own-file"))
    assert scene.cluster.fairlead("down").returncode == 0
    scene.cluster.up("--images", str(file))
    scene.pod("ownfile", "own-file")
    scene.ready("ownfile")
    assert scene.logged("ownfile", "\n") == "by own-file\n"
    file.write_text("[[image]]\n")
    assert scene.cluster.fairlead("down").returncode == 0
    refused = scene.cluster.fairlead("up", "--detach")
    assert refused.returncode != 0
    assert f"--images {file}: image[0]: names and program are required" in refused.stderr
    scene.cluster.up("--images", "none")
