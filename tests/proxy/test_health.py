"""The answers to load balancers and probes, byte by byte, and their servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import aiohttp
import pytest

from fairlead.api.core.event.kind import EVENT
from fairlead.api.core.node.kind import NODE, Node, NodeSpec, Taint
from fairlead.api.core.service.kind import SERVICE, Service
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE, EndpointSlice
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.clock import FakeClock
from fairlead.base.ids import RandomIds
from fairlead.base.instant import Instant
from fairlead.base.log import SILENT
from fairlead.net.nft.fake import FakeNft
from fairlead.net.nft.model import Missing
from fairlead.proxy.server.health import (
    ProxyHealth,
    ServiceCheck,
    healthz_page,
    is_eligible,
    livez_page,
    service_check,
    service_page,
)
from fairlead.proxy.server.serving import Bindings, ProxyServer, follow_zone
from fairlead.proxy.sync.loop import Proxy
from fairlead.runtime.fake import FakeClient, run_jumping
from fairlead.runtime.informer import InformerSet
from fairlead.service.wellknown import TRIGGER_TIME_ANNOTATION, ZONE_LABEL
from tests.proxy.fakes import nftables_proxy
from tests.proxy.objects import NETWORK, endpoint, node, service, slice_of
from tests.proxy.paths import endpoints_of, made, on

NOW = Instant(1_700_000_000.0)
FINE = ProxyHealth(synced=True, waiting_since=None, last_synced=Instant(NOW - 300))


def local(**changes: Any) -> Service:
    spec: dict[str, Any] = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 31000}
    return service(**(spec | changes))


def test_the_health_check_has_the_number_of_endpoints_in_upstreams_form() -> None:
    page = service_page(ServiceCheck("default", "wp-nginx-service", 31000, 1), healthy=True)
    assert page.body == (
        '{\n\t"service": {\n\t\t"namespace": "default",\n\t\t"name": "wp-nginx-service"\n\t},\n'
        '\t"localEndpoints": 1,\n\t"serviceProxyHealthy": true\n}'
    )
    assert len(page.body) == 127
    assert page.code == 200
    assert page.headers == {
        "Content-Type": "application/json",
        "X-Content-Type-Options": "nosniff",
        "X-Load-Balancing-Endpoint-Weight": "1",
    }


@pytest.mark.parametrize(("count", "healthy", "code"), [(0, True, 503), (2, False, 503), (2, True, 200)])
def test_the_health_check_is_503_without_endpoints_or_with_a_failing_proxy(
    count: int, healthy: bool, code: int
) -> None:
    page = service_page(ServiceCheck("a", "b", 1, count), healthy=healthy)
    assert (page.code, json.loads(page.body)["localEndpoints"]) == (code, count)


ENDS = [on("a"), on("b", ready=False, serving=True, terminating=True), on("c")]


@pytest.mark.parametrize(
    ("wanted", "slices", "expected"),
    [
        (local(), endpoints_of(*ENDS), 1),
        (local(), [*endpoints_of(*ENDS), slice_of(endpoint("10.244.1.2"), name="other-port")], 1),
        (local(), [], 0),
        (local(type="ClusterIP"), endpoints_of(*ENDS), None),
        (service(type="LoadBalancer", externalTrafficPolicy="Cluster", healthCheckNodePort=31000), [], None),
        (None, [], None),
    ],
    ids=["ready ones count, ending ones do not", "each once", "none", "no balancer", "not Local", "no Service"],
)
def test_only_ready_endpoints_of_the_node_count(
    wanted: Service | None, slices: list[EndpointSlice], expected: int | None
) -> None:
    found = service_check(wanted, slices, node=node())
    assert (found.endpoints if found else None) == expected


@pytest.mark.parametrize(
    ("health", "healthz", "livez"),
    [
        (FINE, 200, 200),
        (replace(FINE, synced=False), 503, 503),
        (replace(FINE, waiting_since=Instant(NOW - 59)), 200, 200),
        (replace(FINE, waiting_since=Instant(NOW - 60)), 503, 503),
        (replace(FINE, eligible=False), 503, 200),
    ],
    ids=["fine", "not yet synced", "a change waits", "a change waits too long", "the node is leaving"],
)
def test_the_status_codes_of_healthz_and_livez(health: ProxyHealth, healthz: int, livez: int) -> None:
    assert (healthz_page(health, NOW).code, livez_page(health, NOW).code) == (healthz, livez)


def test_the_bodies_of_probes_are_upstreams() -> None:
    late = replace(FINE, waiting_since=Instant(0.0))
    now, then = "2023-11-14T22:13:20.000000Z", "2023-11-14T22:08:20.000000Z"
    assert healthz_page(FINE, NOW).body == f'{{"lastUpdated": "{now}","currentTime": "{now}", "nodeEligible": true}}'
    assert livez_page(late, NOW).body == f'{{"lastUpdated": "{then}","currentTime": "{now}"}}'


def test_a_node_that_is_to_be_deleted_is_not_eligible() -> None:
    leaving = Node(spec=NodeSpec(taints=[Taint(key="ToBeDeletedByClusterAutoscaler", effect="NoSchedule")]))
    assert [is_eligible(n) for n in (None, Node(), leaving)] == [True, True, False]
    assert not is_eligible(Node(metadata=ObjectMeta(deletionTimestamp="2023-11-14T22:13:20Z")))


@dataclass
class Served:
    api: FakeClient
    nft: FakeNft
    proxy: Proxy
    server: ProxyServer
    clock: FakeClock

    def targets(self) -> set[str]:
        return set(self.nft.tables["fairlead"].elements["endpoints"].values())


@contextlib.asynccontextmanager
async def served(bindings: Bindings) -> AsyncIterator[Served]:
    clock = FakeClock()
    api = FakeClient(clock=clock, ids=RandomIds(random.Random(1)))
    nft = FakeNft()
    proxy = nftables_proxy(node(), network=NETWORK, nft=nft, clock=clock, log=SILENT)
    server = ProxyServer(
        [proxy], client=api, clock=clock, log=SILENT, bindings=bindings, moved=partial(follow_zone, [proxy])
    )
    informers = InformerSet(api)
    server.follow(informers)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(informers.run()), group.create_task(server.run())]
        await informers.wait_synced()
        tasks.append(group.create_task(proxy.run()))
        await proxy.synced.wait()
        yield Served(api, nft, proxy, server, clock)
        for task in tasks:
            task.cancel()


NOWHERE = Bindings(healthz=None, metrics=None, checks="127.0.0.1")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


async def get(port: int, path: str = "/") -> tuple[int, str]:
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, await answer.text()
    except aiohttp.ClientConnectorError:
        return 0, ""


async def until(port: int, code: int) -> str:
    for _ in range(3000):
        found, text = await get(port)
        if found == code:
            return text
        await asyncio.sleep(0.01)
    raise AssertionError(f"never {code}")


@pytest.mark.slow
def test_a_services_check_is_served_while_it_is_asked_for_and_follows_its_endpoints() -> None:
    port, other = free_port(), free_port()

    async def go() -> None:
        async with served(NOWHERE) as at:
            wanted = made(externalTrafficPolicy="Local", healthCheckNodePort=port)
            found = await at.api.create(SERVICE, wanted)
            await until(port, 503)
            piece = await at.api.create(ENDPOINT_SLICE, endpoints_of("a", "b")[0])
            assert json.loads(await until(port, 200))["localEndpoints"] == 2
            piece.endpoints = endpoints_of("c")[0].endpoints
            await at.api.update(ENDPOINT_SLICE, piece)
            await until(port, 503)
            found.spec.healthCheckNodePort = other
            found = await at.api.update(SERVICE, found)
            await until(port, 0)
            await until(other, 503)
            found.spec.externalTrafficPolicy = "Cluster"
            await at.api.update(SERVICE, found)
            await until(other, 0)

    asyncio.run(go())


@pytest.mark.slow
def test_connections_that_send_nothing_do_not_keep_a_load_balancer_out() -> None:
    port = free_port()

    async def go() -> None:
        async with served(NOWHERE) as at, contextlib.AsyncExitStack() as opened:
            await at.api.create(SERVICE, made(externalTrafficPolicy="Local", healthCheckNodePort=port))
            await until(port, 503)
            for _ in range(300):  # more than the server keeps
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                opened.callback(writer.close)
            assert (await get(port))[0] == 503

    asyncio.run(go())


def test_a_taken_port_makes_an_event_and_is_tried_again() -> None:
    async def go() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            async with served(NOWHERE) as at:
                await at.api.create(SERVICE, made(externalTrafficPolicy="Local", healthCheckNodePort=port))
                await asyncio.sleep(1)
                (event,) = (await at.api.list(EVENT)).items
                assert event.reason == "FailedToStartServiceHealthcheck"
                text = f'node node1 failed to start healthcheck "default/web" on port {port}'
                assert event.message.startswith(text)
                taken.close()
                await asyncio.sleep(6)
                assert at.server.check_page("default/web").code == 503
                with socket.create_connection(("127.0.0.1", port), timeout=30):
                    pass

    run_jumping(go())


def samples(text: str) -> dict[str, float]:
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}


IPV4 = 'ip_family="IPv4"'


def test_metrics_have_upstreams_names() -> None:
    async def go() -> None:
        async with served(NOWHERE) as at:
            at.nft.packet_counts["ct_state_invalid"] = 7
            await at.api.create(SERVICE, made(internalTrafficPolicy="Local", externalTrafficPolicy="Local"))
            piece = endpoints_of("c")[0]
            piece.metadata.annotations = {TRIGGER_TIME_ANNOTATION: "2023-11-14T22:13:21Z"}
            at.clock.advance(4)
            await at.api.create(ENDPOINT_SLICE, piece)
            await asyncio.sleep(1)
            at.nft.failures = [Missing("no")]
            await at.api.delete(SERVICE, "web", "default")
            await asyncio.sleep(1)
            at.server.probe_page("/healthz")
            assert at.server.probe_page("/livez").code == 200
            page = at.server.metrics_page("/metrics")
            assert page.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            found = samples(page.body)
            one = {name: value for name, value in found.items() if "bucket" not in name}
            prefix = "kubeproxy_sync_proxy_rules"
            assert one[f"{prefix}_service_changes_total{{{IPV4}}}"] == 2
            assert one[f"{prefix}_endpoint_changes_total{{{IPV4}}}"] == 1
            assert one[f"{prefix}_endpoint_changes_pending{{{IPV4}}}"] == 0
            assert one[f"{prefix}_nftables_sync_failures_total{{{IPV4}}}"] == 1
            assert one[f"{prefix}_last_timestamp_seconds{{{IPV4}}}"] == at.clock.now()
            assert one[f"kubeproxy_network_programming_duration_seconds_sum{{{IPV4}}}"] == 3
            assert found[f'kubeproxy_network_programming_duration_seconds_bucket{{{IPV4},le="3"}}'] == 1
            assert found[f'kubeproxy_network_programming_duration_seconds_bucket{{{IPV4},le="2"}}'] == 0
            assert one['kubeproxy_proxy_healthz_total{code="200"}'] == 1
            assert one["kubeproxy_iptables_ct_state_invalid_dropped_packets_total{" + IPV4 + "}"] == 7
            assert any(name.startswith("kubernetes_build_info{git_version=") for name in one)
            assert at.server.metrics_page("/proxyMode").body == "nftables"
            assert at.server.metrics_page("/nothing").code == 404

    run_jumping(go())


def test_services_that_find_no_endpoint_on_the_node_are_counted_by_policy() -> None:
    async def go() -> None:
        async with served(NOWHERE) as at:
            await at.api.create(SERVICE, made(internalTrafficPolicy="Local"))
            await at.api.create(ENDPOINT_SLICE, endpoints_of("c")[0])
            await asyncio.sleep(1)
            found = samples(at.server.metrics_page("/metrics").body)
            name = "kubeproxy_sync_proxy_rules_no_local_endpoints_total"
            assert found[f'{name}{{{IPV4},traffic_policy="internal"}}'] == 1
            assert found[f'{name}{{{IPV4},traffic_policy="external"}}'] == 0

    run_jumping(go())


def test_when_the_node_moves_to_another_zone_hints_are_followed_at_once() -> None:
    async def go() -> None:
        async with served(NOWHERE) as at:
            await at.api.create(SERVICE, service())
            ends = [on("b", zones=["north"]), on("c", zones=["south"])]
            await at.api.create(ENDPOINT_SLICE, slice_of(*ends))
            await asyncio.sleep(1)
            assert at.targets() == {"10.244.1.3 . 8080", "10.244.2.2 . 8080"}
            here = await at.api.create(NODE, Node(metadata=ObjectMeta(name="node1", labels={ZONE_LABEL: "south"})))
            await asyncio.sleep(1)
            assert at.targets() == {"10.244.2.2 . 8080"}
            here.metadata.labels = {ZONE_LABEL: "north"}
            await at.api.update(NODE, here)
            await asyncio.sleep(1)
            assert at.targets() == {"10.244.1.3 . 8080"}

    run_jumping(go())


def test_a_repair_makes_an_event_on_the_node() -> None:
    async def go() -> None:
        async with served(NOWHERE) as at:
            await at.api.create(NODE, Node(metadata=ObjectMeta(name="node1")))
            at.nft.tables.clear()
            at.nft.foreign_transactions += 1
            at.clock.advance(31)
            await asyncio.sleep(31)
            (event,) = (await at.api.list(EVENT)).items
            assert (event.reason, event.type, event.involvedObject.name) == ("ProxyRulesRepaired", "Warning", "node1")

    run_jumping(go())
