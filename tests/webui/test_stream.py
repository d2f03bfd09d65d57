"""The WebSocket of live data."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest

from fairlead.apiserver.model import User
from fairlead.webui.sessions import Login
from tests.apiserver.harness import PODS, SERVICES
from tests.apiserver.rbac import RBAC, rule, subject
from tests.webui.served import Served
from tests.webui.test_site import story

pytestmark = pytest.mark.slow


class Page:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def say(self, **message: Any) -> None:
        await self.socket.send_str(msgspec.json.encode(message).decode())

    async def hear(self) -> dict[str, Any]:
        message = await asyncio.wait_for(self.socket.receive(), 30)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        return dict(msgspec.json.decode(message.data))


@asynccontextmanager
async def page(at: Served, login: Login, **headers: str) -> AsyncIterator[Page]:
    sent = {"cookie": f"{login.cookie_name}={login.cookie}", "origin": at.origin} | headers
    protocols = ("v1.ui.fairlead", f"key.ui.fairlead.{login.key}")
    async with at.http.ws_connect(f"{at.origin}/ui/stream", headers=sent, protocols=protocols) as socket:
        assert socket.protocol == "v1.ui.fairlead"
        yield Page(socket)


@story
async def test_a_subscription_begins_with_the_list_and_goes_on_with_changes(at: Served) -> None:
    async with page(at, at.login()) as live:
        await live.say(open=1, topic="services")
        first = await live.hear()
        assert (first["id"], first["first"], first["done"]) == (1, True, True)
        assert [item["k"] for item in first["items"]] == ["default/kubernetes"]
        await at.api.ok("POST", SERVICES, {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})
        [[what, item]] = (await live.hear())["events"]
        assert (what, item["k"]) == ("+", "default/web")
        await at.api.ok("DELETE", f"{SERVICES}/web")
        assert (await live.hear())["events"] == [["-", "default/web"]]


@story
async def test_a_long_list_comes_in_pages(at: Served) -> None:
    for number in range(501):
        await at.api.ok("POST", "/api/v1/namespaces", {"metadata": {"name": f"n{number:03}"}})
    async with page(at, at.login()) as live:
        await live.say(open=4, topic="namespaces")
        one, two = await live.hear(), await live.hear()
        assert (one["first"], one["done"], two["first"], two["done"]) == (True, False, False, True)
        assert len({item["k"] for item in one["items"] + two["items"]}) == len(one["items"]) + len(two["items"]) > 501


@story
async def test_several_subscriptions_share_the_connection_and_end_one_by_one(at: Served) -> None:
    async with page(at, at.login()) as live:
        await live.say(open=1, topic="services")
        await live.say(open=2, topic="pods", namespace="default")
        assert sorted([(await live.hear())["id"], (await live.hear())["id"]]) == [1, 2]
        await live.say(close=1)
        await live.say(open=3, topic="nodes")
        assert (await live.hear())["id"] == 3
        await at.api.ok("POST", SERVICES, {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}})
        await at.api.ok(
            "POST", PODS, {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        )
        assert (await live.hear())["id"] == 2


@story
async def test_a_user_sees_what_a_role_allows(at: Served) -> None:
    role = {"metadata": {"name": "reader"}, "rules": [rule("list watch", "pods")]}
    binding = {
        "metadata": {"name": "b"},
        "subjects": [subject("user:bob")],
        "roleRef": {"kind": "Role", "name": "reader"},
    }
    await at.api.ok("POST", f"{RBAC}/namespaces/default/roles", role)
    await at.api.ok("POST", f"{RBAC}/namespaces/default/rolebindings", binding)
    async with page(at, at.login(User("bob", ("system:authenticated",)))) as live:
        for number, (topic, namespace, code) in enumerate(
            [
                ("pods", "", 403),
                ("pods", "default", 0),
                ("services", "default", 403),
                ("traffic", "", 403),
                ("traffic", "default", 0),
                ("latency", "", 403),
            ],
            1,
        ):
            await live.say(open=number, topic=topic, namespace=namespace)
            answer = await live.hear()
            assert (answer["id"], answer.get("code", 0)) == (number, code), topic


@story
async def test_bad_orders_are_errors_or_end_the_connection(at: Served) -> None:
    async with page(at, at.login()) as live:
        await live.say(open=1, topic="secrets")
        assert (await live.hear())["error"] == "unknown topic 'secrets'"
        await live.say(open=2, topic="pods", namespace="../..")
        assert (await live.hear())["code"] == 400
        await live.say(do="harm")
        assert (await asyncio.wait_for(live.socket.receive(), 30)).type is aiohttp.WSMsgType.CLOSE


@story
async def test_a_handshake_from_another_origin_or_without_the_key_is_refused(at: Served) -> None:
    login = at.login()
    for headers, key in [
        ({"origin": "http://evil.test"}, login.key),
        ({}, login.key),
        ({"origin": at.origin}, "guessed"),
    ]:
        sent = {"cookie": f"{login.cookie_name}={login.cookie}"} | headers
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await at.http.ws_connect(f"{at.origin}/ui/stream", headers=sent, protocols=(f"key.ui.fairlead.{key}",))
        assert refused.value.status == 401


@story
async def test_traffic_shows_the_pods_of_the_namespace_and_then_only_changes(at: Served) -> None:
    def pod(namespace: str, name: str, size: int) -> dict[str, Any]:
        figures = dict.fromkeys(("sentBytes", "receivedPackets", "sentPackets", "openConnections", "connections"), 0)
        return {"namespace": namespace, "name": name, "receivedBytes": size} | figures

    def show(*pods: dict[str, Any]) -> None:
        at.pages.nodes["node1/stats/traffic"] = msgspec.json.encode({"pods": pods})

    show(pod("default", "a", 1), pod("default", "b", 1), pod("other", "c", 1))
    await at.api.ok("POST", "/api/v1/nodes", {"metadata": {"name": "node1"}})
    async with page(at, at.login()) as live:
        await live.say(open=1, topic="traffic", namespace="default")
        assert (await live.hear())["traffic"] == {"default/a": [1, 0, 0, 0, 0, 0], "default/b": [1, 0, 0, 0, 0, 0]}
        show(pod("default", "a", 1), pod("default", "b", 7))
        assert (await live.hear())["traffic"] == {"default/b": [7, 0, 0, 0, 0, 0]}


@story
async def test_latencies_are_quantiles_of_the_nodes_histograms(at: Served) -> None:
    name = "kubeproxy_network_programming_duration_seconds_bucket"
    text = f'{name}{{le="0.1"}} 4\n{name}{{le="+Inf"}} 4\n'
    at.pages.nodes["node1/metrics/proxy"] = text.encode()
    await at.api.ok("POST", "/api/v1/nodes", {"metadata": {"name": "node1"}})
    async with page(at, at.login()) as live:
        await live.say(open=1, topic="latency")
        first = await live.hear()
        assert (first["first"], first["latency"]["slice change to kernel"]) == (
            True,
            [4, 0.05, 0.09000000000000001, 0.099],
        )
        assert first["latency"]["DNS answer"] == [0, None, None, None]


@story
async def test_an_open_page_does_not_keep_the_server_from_stopping(at: Served) -> None:
    async with page(at, at.login()) as live:
        await live.say(open=1, topic="services")
        await live.hear()
        async with asyncio.timeout(30):
            await at.api.server.stop()
