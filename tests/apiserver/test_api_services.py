"""APIServices: those of this server, and requests, discovery and conditions of extension servers."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from fairlead.apiserver.auth.authentication import Credentials
from fairlead.apiserver.extensions import Extensions
from fairlead.apiserver.model import User
from fairlead.apiserver.settings import FrontProxy
from fairlead.machinery.kinds.discovery import AGGREGATED_MEDIA_TYPE
from fairlead.net.netlink import model as netlink
from fairlead.net.netlink.run import Netlink
from tests.net.sandbox import in_sandbox

from .harness import MERGE, SERVICES, Api, events, service, start, story
from .test_proxy import SLICES, endpoint_slice
from .webhooks import Certificate, certificate

SERVERS = "/apis/apiregistration.k8s.io/v1/apiservices"
GROUP = "wardle.example.com"
NAME = f"v1alpha1.{GROUP}"
ROOT = f"/apis/{GROUP}/v1alpha1"
BACKEND = "10.244.1.2"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
RESOURCES = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": f"{GROUP}/v1alpha1",
    "resources": [
        {
            "name": "flunders",
            "singularName": "flunder",
            "namespaced": True,
            "kind": "Flunder",
            "verbs": ["get", "list", "watch"],
            "shortNames": ["fl"],
        },
        {"name": "flunders/status", "singularName": "", "namespaced": True, "kind": "Flunder", "verbs": ["get"]},
    ],
}


def api_service(ca_bundle: str = "", **spec: Any) -> dict[str, Any]:
    reference = {"namespace": "default", "name": "web", "port": 80}
    tree = {"group": GROUP, "version": "v1alpha1", "groupPriorityMinimum": 2000, "versionPriority": 200}
    return {"metadata": {"name": NAME}, "spec": tree | {"service": reference, "caBundle": ca_bundle} | spec}


@story
async def test_each_group_and_version_of_this_server_has_an_available_api_service(api: Api) -> None:
    found = {item["metadata"]["name"]: item for item in (await api.ok("GET", SERVERS))["items"]}
    assert set(found) == {f"{kind.version}.{kind.group}" for kind in api.scheme if not kind.computed}
    apps = found["v1.apps"]
    assert apps["spec"] == {"group": "apps", "version": "v1", "groupPriorityMinimum": 17800, "versionPriority": 15}
    assert apps["metadata"]["labels"] == {"kube-aggregator.kubernetes.io/automanaged": "onstart"}
    [condition] = apps["status"]["conditions"]
    assert (condition["type"], condition["status"], condition["reason"]) == ("Available", "True", "Local")
    assert found["v1."]["spec"]["groupPriorityMinimum"] == 18000
    assert (await api.store.list("/registry/apiregistration.k8s.io/")).records == []
    for method, body in (("DELETE", None), ("PUT", apps)):
        error = await api.error(method, f"{SERVERS}/v1.apps", body)
        assert error.code == 403
        assert "the server itself serves this group and version" in error.message
    table = await api.ok("GET", f"{SERVERS}/v1.apps", accept=TABLE)
    assert table["rows"][0]["cells"] == ["v1.apps", "Local", "True", "0s"]


@story
async def test_a_kind_that_comes_or_goes_brings_or_takes_its_api_service(api: Api) -> None:
    kind = next(kind for kind in api.scheme if kind.group == "scheduling.k8s.io")
    stream = await api.watch(SERVERS, fieldSelector=f"metadata.name=v1.{kind.group}")
    await api.scheme.remove(kind)
    assert (await api.call("GET", f"{SERVERS}/v1.{kind.group}")).status == 404
    await api.scheme.add(kind)
    found = await events(stream, 3)
    assert [event["type"] for event in found] == ["ADDED", "DELETED", "ADDED"]
    stream.close()


@story
async def test_every_mistake_has_upstreams_text(api: Api) -> None:
    async def causes(body: dict[str, Any]) -> list[tuple[str, str]]:
        error = await api.error("POST", SERVERS, body)
        assert error.code == 422
        return [(cause["field"], cause["message"]) for cause in error.details["causes"]]

    assert await causes(api_service(group="other.example.com")) == [
        (
            "metadata.name",
            f'Invalid value: "{NAME}": must be `spec.version+"."+spec.group`: "v1alpha1.other.example.com"',
        )
    ]
    assert await causes(api_service(groupPriorityMinimum=0, versionPriority=1001)) == [
        ("spec.groupPriorityMinimum", "Invalid value: 0: must be positive and less than 20000"),
        ("spec.versionPriority", "Invalid value: 1001: must be positive and less than 1000"),
    ]
    assert await causes(api_service("YQ==", service=None, insecureSkipTLSVerify=True)) == [
        ("spec.caBundle", 'Invalid value: "1 bytes": local APIServices may not have a caBundle'),
        ("spec.insecureSkipTLSVerify", "Invalid value: true: local APIServices may not have insecureSkipTLSVerify"),
    ]
    assert await causes(api_service("YQ==", service={"port": 70000}, insecureSkipTLSVerify=True)) == [
        ("spec.service.namespace", "Required value"),
        ("spec.service.name", "Required value"),
        ("spec.service.port", "Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive"),
        ("spec.insecureSkipTLSVerify", "Invalid value: true: may not be true if caBundle is present"),
    ]


async def condition(api: Api, *, until: str) -> dict[str, Any]:
    """Waits for a reason of the condition Available; returns the condition."""
    stream = await api.watch(SERVERS, fieldSelector=f"metadata.name={NAME}")
    try:
        while True:
            [event] = await events(stream, 1)
            conditions = event["object"].get("status", {}).get("conditions", [])
            if conditions and conditions[0]["reason"] == until:
                found: dict[str, Any] = conditions[0]
                return found
    finally:
        stream.close()


@story
async def test_the_condition_says_what_is_missing_and_requests_are_refused(api: Api) -> None:
    made = await api.ok("POST", SERVERS, api_service())
    assert made["spec"]["service"]["port"] == 80
    found = await condition(api, until="ServiceNotFound")
    assert (found["status"], found["message"]) == ("False", 'service/web in "default" is not present')
    await api.ok("POST", SERVICES, service("web", ports=[{"port": 81}]))
    found = await condition(api, until="ServicePortError")
    assert found["message"] == 'service/web in "default" is not listening on port 80'
    patch = [{"op": "replace", "path": "/spec/ports", "value": [{"port": 80}]}]
    await api.ok("PATCH", f"{SERVICES}/web", patch, content_type="application/json-patch+json")
    found = await condition(api, until="EndpointsNotFound")
    await api.ok("POST", SLICES, endpoint_slice("10.244.9.9", ready=False))
    found = await condition(api, until="MissingEndpoints")
    assert found["message"] == 'endpointslices for service/web in "default" have no addresses with port name ""'
    refused = await api.call("GET", f"{ROOT}/namespaces/default/flunders")
    assert (refused.status, refused.body) == (503, b"service unavailable\n")
    assert GROUP in [group["name"] for group in (await api.ok("GET", "/apis"))["groups"]]
    items = (await api.ok("GET", "/apis", accept=AGGREGATED_MEDIA_TYPE))["items"]
    [item] = [item for item in items if item["metadata"]["name"] == GROUP]
    assert item["versions"] == [{"version": "v1alpha1", "resources": [], "freshness": "Stale"}]
    await api.ok("DELETE", f"{SERVERS}/{NAME}")
    assert GROUP not in [group["name"] for group in (await api.ok("GET", "/apis"))["groups"]]
    assert (await api.call("GET", f"{ROOT}/flunders")).status == 404


class Alice:
    """Authenticates every client as one user with everything that a user can have."""

    async def authenticate(self, credentials: Credentials) -> User | None:
        return User("alice", ("system:masters", "dev"), "u1", {"example.com/project": ("a", "b")})


class Extension:
    """An extension server: accepts only the front proxy's certificate, and shows what it was sent."""

    def __init__(self, made: Certificate, front: Certificate) -> None:
        self.context = made.context()
        self.context.load_verify_locations(cadata=front.pem.decode())
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.hanging = asyncio.Event()
        self.broken = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == ROOT:
            return web.json_response(RESOURCES, status=500 if self.broken else 200)
        if request.path == "/openapi/v3":
            path = f"{ROOT.strip('/')}"
            return web.json_response({"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}?hash=X"}}})
        if request.path.endswith("/hang"):
            self.hanging.set()
            await asyncio.Event().wait()
        if "watch" in request.query:
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            await response.prepare(request)
            for name in ("a", "b"):
                await response.write(json.dumps({"type": "ADDED", "name": name}).encode() + b"\n")
            return response
        if request.headers.get("Upgrade"):
            ws = web.WebSocketResponse()
            await ws.prepare(request)
            async for message in ws:
                await ws.send_str(f"{message.data}!")
            return ws
        body = await request.text()
        headers = [[name, value] for name, value in request.headers.items() if name.lower() != "date"]
        return web.json_response({"path": request.path_qs, "headers": headers, "body": body})


@contextmanager
def files(front: Certificate) -> Iterator[FrontProxy]:
    """Writes the front proxy's certificate."""
    with tempfile.TemporaryDirectory() as folder:
        crt, key = Path(folder, "crt"), Path(folder, "key")
        crt.write_bytes(front.pem)
        key.write_bytes(front.key)
        yield FrontProxy(str(crt), str(key), front.pem.decode())


Story = Callable[[Api, str, aiohttp.ClientSession, Extension], Awaitable[None]]


def extended(story: Story) -> None:
    """Runs a story with an API server on loopback and an extension server behind a Service."""

    async def main() -> None:
        made, front = certificate("web.default.svc"), certificate("front-proxy-client")
        with files(front) as proxy:
            api = await start(extensions=Extensions(authenticators=(Alice(),)), front_proxy=proxy, ca_pem="CA")
            extension = Extension(made, front)
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", extension.handle)
            runner = web.AppRunner(app, shutdown_timeout=0.01)
            await runner.setup()
            await web.TCPSite(runner, BACKEND, 8443, ssl_context=extension.context).start()
            sock = socket.create_server(("127.0.0.1", 0))
            await api.server.serve([sock], None)
            await api.ok("POST", SERVICES, service("web"))
            await api.ok("POST", SLICES, endpoint_slice(BACKEND, port=8443))
            await api.ok("POST", SERVERS, api_service(made.bundle))
            try:
                async with aiohttp.ClientSession() as session:
                    await story(api, f"http://127.0.0.1:{sock.getsockname()[1]}", session, extension)
            finally:
                await api.server.stop()
                await runner.cleanup()

    def child() -> None:
        with Netlink() as link:
            link.execute([netlink.set_up(1), netlink.add_address(1, IPv4Interface(f"{BACKEND}/32"))])
        asyncio.run(main())

    in_sandbox(child)


async def requests_and_discovery(api: Api, url: str, session: aiohttp.ClientSession, extension: Extension) -> None:
    passed = await condition(api, until="Passed")
    assert (passed["status"], passed["message"]) == ("True", "all checks passed")
    headers = {"X-Remote-User": "mallory", "Authorization": "Bearer secret", "x-remote-group": "system:masters"}
    async with session.post(f"{url}{ROOT}/namespaces/a%20b/flunders?x=1", data="hello", headers=headers) as answer:
        seen = await answer.json()
    assert (seen["path"], seen["body"]) == (f"{ROOT}/namespaces/a%20b/flunders?x=1", "hello")
    remote = [(name, value) for name, value in seen["headers"] if name.lower().startswith("x-remote")]
    assert remote == [
        ("X-Remote-User", "alice"),
        ("X-Remote-Uid", "u1"),
        ("X-Remote-Group", "system:masters"),
        ("X-Remote-Group", "dev"),
        ("X-Remote-Extra-example.com%2Fproject", "a"),
        ("X-Remote-Extra-example.com%2Fproject", "b"),
    ]
    assert "Authorization" not in dict(seen["headers"])
    async with session.get(f"{url}{ROOT}/flunders?watch=true") as answer:
        assert [json.loads(line)["name"] async for line in answer.content] == ["a", "b"]
    async with session.ws_connect(f"{url}{ROOT}/namespaces/default/flunders/a/exec") as ws:
        await ws.send_str("hi")
        assert await ws.receive_str() == "hi!"
    async with session.get(f"{url}{ROOT}") as answer:
        assert await answer.json() == RESOURCES
    items = (await api.ok("GET", "/apis", accept=AGGREGATED_MEDIA_TYPE))["items"]
    [item] = [item for item in items if item["metadata"]["name"] == GROUP]
    kind = {"group": GROUP, "version": "v1alpha1", "kind": "Flunder"}
    assert item["versions"] == [
        {
            "version": "v1alpha1",
            "freshness": "Current",
            "resources": [
                {
                    "resource": "flunders",
                    "responseKind": kind,
                    "scope": "Namespaced",
                    "singularResource": "flunder",
                    "verbs": ["get", "list", "watch"],
                    "shortNames": ["fl"],
                    "subresources": [{"subresource": "status", "responseKind": kind, "verbs": ["get"]}],
                }
            ],
        }
    ]
    group = await api.ok("GET", f"/apis/{GROUP}")
    assert group["preferredVersion"] == {"groupVersion": f"{GROUP}/v1alpha1", "version": "v1alpha1"}
    index = (await api.ok("GET", "/openapi/v3"))["paths"]
    assert index[ROOT.strip("/")] == {"serverRelativeURL": f"/openapi/v3{ROOT}?hash=X"}
    data = (await api.ok("GET", "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"))["data"]
    assert data["client-ca-file"] == "CA"
    assert data["requestheader-allowed-names"] == '["front-proxy-client"]'
    assert data["requestheader-client-ca-file"].startswith("-----BEGIN CERTIFICATE-----")


def test_requests_and_discovery_reach_the_extension_server() -> None:
    extended(requests_and_discovery)


async def hanging(api: Api, url: str, session: aiohttp.ClientSession, extension: Extension) -> None:
    await condition(api, until="Passed")
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(session.get(f"{url}{ROOT}/hang"))
        await extension.hanging.wait()
        async with session.get(f"{url}{SERVICES}/web") as answer:
            assert answer.status == 200
        async with session.get(f"{url}{ROOT}/flunders") as answer:
            assert answer.status == 200
        waiting.cancel()


async def inside(api: Api, url: str, session: aiohttp.ClientSession, extension: Extension) -> None:
    await condition(api, until="Passed")
    seen = await api.ok("GET", f"{ROOT}/namespaces/default/flunders", query={"labelSelector": "a=b,c in (d)"})
    assert seen["path"] == f"{ROOT}/namespaces/default/flunders?labelSelector=a%3Db,c+in+(d)"
    user = dict(seen["headers"])["X-Remote-User"]
    assert user == api.user.name
    await api.ok("DELETE", f"{SLICES}/web-1")
    refused = await api.call("GET", f"{ROOT}/flunders")
    assert refused.status == 503


def test_components_in_the_process_of_the_api_server_reach_the_extension_server_too() -> None:
    extended(inside)


def test_a_request_that_hangs_delays_no_other() -> None:
    extended(hanging)


async def stranger(api: Api, url: str, session: aiohttp.ClientSession, extension: Extension) -> None:
    await condition(api, until="Passed")
    current = await api.ok("GET", f"{SERVERS}/{NAME}")
    current["spec"]["caBundle"] = certificate("web.default.svc").bundle
    await api.ok("PUT", f"{SERVERS}/{NAME}", current)
    failed = await condition(api, until="FailedDiscoveryCheck")
    assert failed["message"].startswith(f"failing or missing response from https://web.default.svc:80{ROOT}: ")
    async with session.get(f"{url}{ROOT}/flunders") as answer:
        assert (answer.status, await answer.text()) == (503, "service unavailable\n")


def test_a_server_with_another_certificate_gets_no_request() -> None:
    extended(stranger)


async def late(api: Api, url: str, session: aiohttp.ClientSession, extension: Extension) -> None:
    await condition(api, until="Passed")
    extension.broken = True
    await api.ok("PATCH", f"{SERVERS}/{NAME}", {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE)
    failed = await condition(api, until="FailedDiscoveryCheck")
    assert "bad status" in failed["message"]
    extension.broken = False
    await condition(api, until="Passed")  # without another change of an object


def test_a_server_that_answers_again_is_noticed_soon() -> None:
    extended(late)
