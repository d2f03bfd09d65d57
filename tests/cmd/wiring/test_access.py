"""Kubeconfigs as kubectl and others write them, and what of them is refused and how."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from fairlead.base.clock import RealClock
from fairlead.cmd.cluster.config import ClusterConfig
from fairlead.cmd.wiring import tls
from fairlead.cmd.wiring.access import Access, BadAccess, in_pod, read_kubeconfig
from fairlead.cmd.wiring.pki import certificate_specs, make
from fairlead.runtime.client import Request


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    make(certificate_specs(ClusterConfig("test")), folder, clock=RealClock())
    return folder


def encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def write(at: Path, cluster: dict[str, Any], user: dict[str, Any] | None, **changes: Any) -> Path:
    tree: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "main",
        "contexts": [
            {"name": "other", "context": {"cluster": "gone", "user": "gone"}},
            {"name": "main", "context": {"cluster": "c", **({"user": "u"} if user is not None else {})}},
        ],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user or {}}],
    }
    path = at / "config"
    path.write_text(yaml.safe_dump(tree | changes))
    return path


@contextlib.asynccontextmanager
async def api(pki: Path) -> AsyncIterator[int]:
    """Says who asks: the common name of the certificate, and what stands in the header."""

    async def handle(request: web.Request) -> web.Response:
        assert request.transport is not None
        shown = request.transport.get_extra_info("peercert") or {}
        names = [value for part in shown.get("subject", ()) for key, value in part if key == "commonName"]
        return web.json_response([names, request.headers.get("Authorization"), request.headers.get("User-Agent")])

    app = web.Application()
    app.router.add_get("/{tail:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener, ssl_context=tls.server(pki, "apiserver", require_client=False)).start()
    try:
        yield listener.getsockname()[1]
    finally:
        await runner.cleanup()


async def ask(access: Access) -> Any:
    transport = access.transport(agent="test/1")
    try:
        answer = await transport.request(Request("GET", "/version", {}, {}))
    finally:
        await transport.close()
    return yaml.safe_load(answer.body)


def test_certificates_in_the_file_and_beside_it_prove_who_asks(pki: Path, tmp_path: Path) -> None:
    inline = {
        "client-certificate-data": encoded(pki / "admin.crt"),
        "client-key-data": encoded(pki / "admin.key"),
    }
    for name in ("admin.crt", "admin.key", "ca.crt"):
        (tmp_path / name).write_bytes((pki / name).read_bytes())
    beside = {"client-certificate": "admin.crt", "client-key": "admin.key"}

    async def go() -> list[Any]:
        found = []
        async with api(pki) as port:
            server = f"https://127.0.0.1:{port}"
            for cluster, user in (
                ({"server": server, "certificate-authority-data": encoded(pki / "ca.crt")}, inline),
                ({"server": f"{server}/", "certificate-authority": "ca.crt"}, beside),
                ({"server": server, "insecure-skip-tls-verify": True}, beside),
                (
                    {
                        "server": f"https://localhost:{port}",
                        "certificate-authority": "ca.crt",
                        "tls-server-name": "kubernetes.default",
                    },
                    beside,
                ),
            ):
                found.append(await ask(read_kubeconfig(write(tmp_path, cluster, user))))
        return found

    assert asyncio.run(go()) == [[["kubernetes-admin"], None, "test/1"]] * 4


def test_a_server_with_another_name_or_authority_is_not_trusted(pki: Path, tmp_path: Path) -> None:
    async def go(cluster: dict[str, Any]) -> None:
        async with api(pki) as port:
            whole = cluster | {"server": f"https://127.0.0.1:{port}"}
            await ask(read_kubeconfig(write(tmp_path, whole, None)))

    authority = {"certificate-authority-data": encoded(pki / "ca.crt")}
    for cluster in ({}, authority | {"tls-server-name": "elsewhere"}):
        with pytest.raises(ConnectionError, match="certificate"):
            asyncio.run(go(cluster))


def test_a_token_file_is_read_for_each_request_and_overrides_a_token(pki: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("first\n")

    async def go() -> list[Any]:
        async with api(pki) as port:
            cluster = {"server": f"https://127.0.0.1:{port}", "certificate-authority-data": encoded(pki / "ca.crt")}
            access = read_kubeconfig(write(tmp_path, cluster, {"token": "plain", "tokenFile": "token"}))
            first = await ask(access)
            (tmp_path / "token").write_text("second\n")
            second = await ask(access)
            third = await ask(read_kubeconfig(write(tmp_path, cluster, {"token": "plain"})))
            return [answer[1] for answer in (first, second, third)]

    assert asyncio.run(go()) == ["Bearer first", "Bearer second", "Bearer plain"]


SERVER = {"server": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("cluster", "user", "changes", "expected"),
    [
        (SERVER, {}, {"current-context": ""}, "current-context: is not set, and no context was named"),
        (SERVER, {}, {"current-context": "nope"}, 'contexts: has no entry named "nope"'),
        (SERVER, {}, {"current-context": "other"}, 'clusters: has no entry named "gone"'),
        (SERVER, {}, {"users": []}, 'users: has no entry named "u"'),
        (SERVER, {}, {"clusters": "x"}, "clusters: expected a list, got a string"),
        ({}, {}, {}, "clusters[0].cluster.server: is missing"),
        ({"server": "127.0.0.1:6443"}, {}, {}, 'clusters[0].cluster.server: "127.0.0.1:6443" is not a URL'),
        ({"server": "https://h", "certificate-authority": "no.crt"}, {}, {}, "certificate-authority: cannot read"),
        (
            {"server": "https://h", "certificate-authority-data": "?"},
            {},
            {},
            "certificate-authority-data: is not base64",
        ),
        (
            {"server": "https://h", "certificate-authority-data": "YWJj"},
            {},
            {},
            "authority: holds no certificates in PEM",
        ),
        (
            {"server": "https://h", "certificate-authority-data": "YWJj", "insecure-skip-tls-verify": True},
            {},
            {},
            "insecure-skip-tls-verify: cannot go together with a certificate-authority",
        ),
        ({"server": "https://h"}, {"client-key-data": "YWJj"}, {}, "users[0].user.client-certificate: is missing"),
        (
            {"server": "https://h"},
            {"client-certificate-data": "YWJj", "client-key-data": "YWJj"},
            {},
            "users[0].user.client-certificate: and its key cannot be used",
        ),
        (SERVER, {"tokenFile": "none"}, {}, "users[0].user.tokenFile"),
        (SERVER | {"insecure-skip-tls-verify": "yes"}, {}, {}, "insecure-skip-tls-verify: expected a boolean, got a"),
        (SERVER, {"token": 7}, {}, "users[0].user.token: expected a string, got an integer"),
        (SERVER, {"exec": {"command": "x"}}, {}, "users[0].user.exec: is not supported"),
        (SERVER, {"username": "a"}, {}, "users[0].user.username: is not supported"),
        (SERVER | {"proxy-url": "http://p"}, {}, {}, "clusters[0].cluster.proxy-url: is not supported"),
    ],
)
def test_what_cannot_be_used_is_named_by_its_place_in_the_file(
    cluster: dict[str, Any], user: dict[str, Any], changes: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    path = write(tmp_path, cluster, user, **changes)
    with pytest.raises(BadAccess) as caught:
        read_kubeconfig(path)
    assert expected in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [(None, "cannot read"), ("a: [", "not valid JSON or YAML"), ("7", "expected an object")],
)
def test_a_file_that_is_no_kubeconfig_is_named(text: str | None, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "config"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadAccess, match=expected):
        read_kubeconfig(path)


def test_another_context_may_be_named_and_a_cluster_needs_no_user(tmp_path: Path) -> None:
    path = write(tmp_path, SERVER, None, **{"current-context": ""})
    access = read_kubeconfig(path, context="main")
    assert (access.server, access.tls, access.token) == ("http://127.0.0.1:1", None, None)


def test_a_pod_reaches_the_api_with_what_it_was_given(pki: Path, tmp_path: Path) -> None:
    assert in_pod({"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, tmp_path) is None
    (tmp_path / "token").write_text("t\n")
    (tmp_path / "ca.crt").write_bytes((pki / "ca.crt").read_bytes())
    found = in_pod({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"}, tmp_path)
    assert found is not None
    assert (found.server, found.token and found.token()) == ("https://[fd00::1]:6443", "t")
    assert found.tls is not None
    assert found.tls.verify_mode == ssl.CERT_REQUIRED
    assert in_pod({}, tmp_path) is None
