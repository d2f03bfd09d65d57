"""Images from archives and from a registry on loopback, in Pods behind Services, for root and an ordinary user."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.imagescene import API, Scene, fetch
from tests.cluster.pages import block, typed_for
from tests.cluster.support import RUNNERS, new_cluster, until
from tests.images.imagemaker import (
    Built,
    build,
    busybox_layer,
    docker_archive,
    entry,
    files_below,
    folder,
    gzipped,
    link,
    program_files,
    tar_of,
)
from tests.images.registryserver import PASSWORD, USER, serving

pytestmark = [pytest.mark.cluster, pytest.mark.kernel, pytest.mark.slow]

PAGE = tar_of(entry("www/index.html", "from a layer above\n"), entry("etc/.wh.group"))


@pytest.fixture(scope="module", params=sorted(RUNNERS))
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with serving() as registry, new_cluster(request.param) as cluster:
        cluster.up("--registries", registry.host)
        yield Scene(cluster, registry)


def web(**config: Any) -> Built:
    command = {"Cmd": ["httpd", "-f", "-p", "8080", "-h", "/www"]}
    layers = [busybox_layer(), PAGE]
    return build(layers, packed=[gzipped(layer) for layer in layers], **(command | config))


def nginx() -> Built:
    """The host's nginx with its configuration as the package brings it, without its modules; it logs as the public
    image does."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("nginx is not installed")
    configured = [f for f in files_below("/etc/nginx") if "/modules" not in f[0].name]
    with open("/etc/nginx/nginx.conf") as file:
        user = next(line.split()[1].rstrip(";") for line in file if line.startswith("user "))
    layer = tar_of(
        *program_files(program),
        *configured,
        entry("etc/passwd", f"root:x:0:0:root:/root:/bin/sh\n{user}:x:33:33::/:/bin/false\n"),
        entry("etc/group", f"root:x:0:\n{user}:x:33:\nadm:x:4:\n"),
        entry("var/www/html/index.html", "real nginx\n"),
        *(folder(name) for name in ("run", "var/lib/nginx", "var/log/nginx")),
        link("var/log/nginx/access.log", "/dev/stdout"),
        link("var/log/nginx/error.log", "/dev/stderr"),
    )
    return build([layer], packed=[gzipped(layer)], Cmd=[program, "-g", "daemon off;"], StopSignal="SIGQUIT")


def test_nginx_serves_with_its_own_configuration_and_logs_requests(scene: Scene) -> None:
    scene.registry.push("library/nginx", "1.14", nginx())
    scene.pod("nginx", f"{scene.registry.host}/library/nginx:1.14")
    scene.ready("nginx")
    port = scene.publish("nginx", 80)
    assert until("the Service answers", lambda: fetch(port)) == "real nginx\n"
    assert until("the request is logged", lambda: '"GET / HTTP/1.1" 200' in scene.log("nginx"))


def test_a_loaded_image_serves_behind_a_service(scene: Scene) -> None:
    scene.load(web(), "example.com/loaded:latest")
    scene.pod("loaded", "example.com/loaded", policy="Always")
    port = scene.publish("loaded", 8080)
    assert scene.ready("loaded")["imageID"] == web().id
    assert until("the Service answers", lambda: fetch(port)) == "from a layer above\n"
    present = 'Pulled: Container image "example.com/loaded" already present on machine and can be accessed by the pod'
    assert scene.event("loaded", present) == present


def test_an_image_is_pulled_once_and_runs_as_its_user(scene: Scene) -> None:
    script = "id -u; id -g; pwd; echo $GREETING; exec httpd -f -p 8080 -h /www"
    image = web(User="101:102", WorkingDir="/www", Env=["PATH=/bin", "GREETING=hello"], Cmd=["sh", "-c", script])
    digest = scene.registry.push("team/app", "1", image)
    name = f"{scene.registry.host}/team/app:1"
    scene.pod("pulled", name)
    status = scene.ready("pulled")
    assert status["imageID"] == f"{scene.registry.host}/team/app@{digest}"
    assert scene.logged("pulled", "hello\n") == "101\n102\n/www\nhello\n"
    assert scene.event("pulled", "Pulling: ") == f'Pulling: Pulling image "{name}"'
    assert "including waiting). Image size: " in scene.event("pulled", "Pulled: Successfully pulled image")
    asked = scene.registry.requests.copy()
    scene.pod("again", name)
    scene.ready("again")
    assert scene.registry.requests == asked
    scene.pod("always", name, policy="Always")
    scene.ready("always")
    assert scene.registry.requests - asked == {"manifests/1": 1}


def test_a_private_image_needs_its_pull_secret(scene: Scene) -> None:
    scene.registry.push("private/app", "1", web())
    name = f"{scene.registry.host}/private/app:1"
    scene.registry.auth = "bearer"
    try:
        scene.pod("refused", name)
        assert "refused" in scene.waiting("refused", "ErrImagePull")
        assert scene.waiting("refused", "ImagePullBackOff").startswith(
            f'Back-off pulling image "{name}": ErrImagePull: '
        )
        for text in (f'Failed: Failed to pull image "{name}": ', f'BackOff: Back-off pulling image "{name}"'):
            assert scene.event("refused", text).startswith(text)
        assert scene.event("refused", "Error: ErrImagePull") == "Failed: Error: ErrImagePull"
        auths = {"auths": {scene.registry.host: {"username": USER, "password": PASSWORD}}}
        data = {".dockerconfigjson": base64.b64encode(json.dumps(auths).encode()).decode()}
        secret = {"metadata": {"name": "key"}, "type": "kubernetes.io/dockerconfigjson", "data": data}
        scene.ask("POST", f"{API}/secrets", {"apiVersion": "v1", "kind": "Secret"} | secret)
        scene.pod("permitted", name, imagePullSecrets=[{"name": "key"}])
        scene.ready("permitted")
    finally:
        scene.registry.auth = ""


def test_reasons_say_why_an_image_is_not_there(scene: Scene) -> None:
    host = scene.registry.host
    scene.pod("never", f"{host}/team/never:1", policy="Never")
    text = f'Container image "{host}/team/never:1" is not present with pull policy of Never'
    assert scene.waiting("never", "ErrImageNeverPull") == text
    for expected in (f"ErrImageNeverPull: {text}", "Failed: Error: ErrImageNeverPull"):
        assert scene.event("never", expected) == expected
    scene.pod("missing", f"{host}/team/missing:1")
    assert "404 manifest unknown" in scene.waiting("missing", "ErrImagePull")
    scene.pod("elsewhere", "registry.example.com/app:1")
    assert "nodes may not pull from registry.example.com" in scene.waiting("elsewhere", "ErrImagePull")
    scene.pod("invalid", "team/UPPER")
    assert "repository names are in lower case" in scene.waiting("invalid", "InvalidImageName")


def test_a_name_of_a_host_image_is_the_hosts_program_unless_the_registry_is_the_users_own(scene: Scene) -> None:
    scene.registry.push("fairlead/web", "1", web())
    scene.pod("host", "fairlead/web")
    scene.pod("own", f"{scene.registry.host}/fairlead/web:1")
    assert scene.ready("host")["imageID"].startswith("host://")
    assert scene.ready("own")["imageID"].startswith(f"{scene.registry.host}/fairlead/web@sha256:")


def test_what_a_container_has_written_is_gone_after_its_restart(scene: Scene) -> None:
    script = "test -e /made && echo kept; touch /made; echo $((1)); sleep 0.2; exit 1"
    scene.load(web(Cmd=["sh", "-c", script]), "example.com/crash:1")
    scene.pod("crash", "example.com/crash:1", restartPolicy="OnFailure")
    until("it has restarted", lambda: (scene.status("crash").get("containerStatuses") or [{}])[0].get("restartCount"))
    until("its log", lambda: scene.log("crash"))
    assert "kept" not in scene.log("crash")


def test_a_web_server_of_a_tutorial_is_pulled_and_replaced_only_if_that_fails(scene: Scene) -> None:
    scene.registry.push("traefik/whoami", "v1", web())
    scene.pod("real", f"{scene.registry.host}/traefik/whoami:v1")
    assert scene.ready("real")["imageID"].startswith(f"{scene.registry.host}/traefik/whoami@sha256:")
    scene.pod("replaced", "traefik/whoami:v1")
    assert scene.ready("replaced")["imageID"].startswith("host://fairlead/web/")
    pulled = scene.event("replaced", "Pulled: ")
    assert "answers like whoami, because the image cannot be pulled: " in pulled


def test_the_files_of_an_image_volume_survive_a_prune_until_the_pod_is_gone(scene: Scene) -> None:
    cluster, word = scene.cluster, build([tar_of(entry("word", "of an image\n"))])
    scene.load(word, "example.com/word:1")
    scene.load(web(), "example.com/reader:1")
    container = {
        "command": ["httpd", "-f", "-p", "8080", "-h", "/v"],
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    }
    volumes = [{"name": "v", "image": {"reference": "example.com/word:1"}}]
    scene.pod("reader", "example.com/reader:1", container=container, volumes=volumes)
    scene.ready("reader")

    def run(*verb: str) -> str:
        return cluster.runner.run(cluster.runner.command("image", *verb)).stdout

    (layer,) = json.loads(run("inspect", "example.com/word:1"))["layers"]
    run("remove", "example.com/word:1")
    run("prune")
    assert (Path(layer["path"]) / "word").read_text() == "of an image\n"
    scene.ask("DELETE", f"{API}/pods/reader")

    def pruned() -> bool:
        run("prune")
        return not Path(layer["path"]).exists()

    until("the layer is gone", pruned)


def test_the_commands_of_the_page_work(scene: Scene) -> None:
    """Types the commands of docs/images.md. `docker` is a program that writes an archive, as `docker save` does."""
    cluster, folder = scene.cluster, scene.cluster.home / "page"
    (folder / "app").mkdir(parents=True)
    (folder / "app.tar.gz").write_bytes(gzip.compress(docker_archive([(web(), ["app:1"])])))
    (folder / "docker").write_text('#!/bin/sh\nexec gzip -dc "$(dirname "$0")/app.tar.gz"\n')
    (folder / "docker").chmod(0o755)
    (folder / "hello.py").write_text(
        "from http.server import SimpleHTTPRequestHandler, test\ntest(SimpleHTTPRequestHandler, port=8000)\n"
    )
    (folder / "app" / "app.py").write_text("print('app')\n")
    for path in (folder, *folder.rglob("*")):
        shutil.chown(path, cluster.home.stat().st_uid)
    assert "app:1" in typed_for(cluster, block("images.md", "docker save app:1"), folder)
    scene.registry.push("library/nginx", "1.27", web())
    host = scene.registry.host
    real = {"fairlead image pull nginx:": f"FAIRLEAD_REGISTRIES={host} fairlead image pull {host}/library/nginx:"}
    pulled = typed_for(cluster, block("images.md", "image pull"), folder, real)
    assert f"pulled {host}/library/nginx:1.27" in pulled
    assert "loaded app:1" in pulled
    assert "removed app:1" in pulled
    assert "freed " in pulled
    assert (folder / "app.tar").stat().st_size > 0
    scene.load(web(), "python:3.12")
    built = typed_for(cluster, block("images.md", "image build"), folder)
    assert "hello" in built
    settings = block("images.md", "configmap kubelet-config")
    typed_for(cluster, settings + "kubectl -n kube-system delete configmap kubelet-config\n", folder)
    scene.pod("hello", "hello", container={"imagePullPolicy": "Never"})
    port = scene.publish("hello", 8000)
    assert "Directory listing" in until("hello answers", lambda: fetch(port))
