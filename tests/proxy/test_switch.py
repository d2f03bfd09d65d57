"""The proxy's settings change while it runs: the order of steps, against a fake API and fake kernels."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from fairlead.api.core.configmap.kind import CONFIG_MAP, ConfigMap
from fairlead.api.core.event.kind import EVENT
from fairlead.api.core.service.kind import SERVICE
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.clock import FakeClock
from fairlead.base.ids import RandomIds
from fairlead.base.log import SILENT
from fairlead.net.errors import KernelError
from fairlead.net.nft.fake import FakeNft
from fairlead.proxy.nftables.rules import TABLE
from fairlead.proxy.planning.proxierconfig import cluster_proxier
from fairlead.proxy.server.serving import Bindings, ProxyServer, follow_config
from fairlead.proxy.settings import addon
from fairlead.proxy.settings.config import KEY, NAME, NAMESPACE, SYNC_PERIOD_S, ProxyConfig, parse_config
from fairlead.proxy.settings.modes import Mode
from fairlead.proxy.sync.activebackend import ProxyContext
from fairlead.proxy.sync.loop import Proxy
from fairlead.proxy.sync.modes import nftables_only
from fairlead.runtime.fake import FakeClient, run_jumping
from fairlead.runtime.informer import InformerSet
from tests.proxy.fakes import FakeRules
from tests.proxy.objects import NETWORK, node, service, slice_of


@dataclass
class World:
    api: FakeClient
    nft: FakeNft
    rules: FakeRules
    clock: FakeClock
    proxy: Proxy
    localnet: list[bool] = field(default_factory=list)

    def served(self) -> dict[str, bool]:
        """Returns which modes have rules for the Service."""
        table = self.nft.tables.get(TABLE)
        return {
            "nftables": table is not None and bool(table.elements["services"]),
            "iptables": bool(self.rules.held),
        }

    async def put(self, text: str) -> None:
        """Writes the ConfigMap's text."""
        made = ConfigMap(metadata=ObjectMeta(name=NAME, namespace=NAMESPACE), data={KEY: text})
        if any(item.metadata.name == NAME for item in (await self.api.list(CONFIG_MAP, NAMESPACE)).items):
            found = await self.api.get(CONFIG_MAP, NAME, NAMESPACE)
            found.data = made.data
            await self.api.update(CONFIG_MAP, found)
        else:
            await self.api.create(CONFIG_MAP, made)
        await asyncio.sleep(5)

    async def events(self) -> list[tuple[str, str]]:
        return [(event.reason, event.message) for event in (await self.api.list(EVENT)).items]

    async def one_period(self) -> None:
        self.clock.advance(SYNC_PERIOD_S + 1)
        await asyncio.sleep(SYNC_PERIOD_S + 1)


@contextlib.asynccontextmanager
async def running(
    at: World | None = None, *, rules: FakeRules | None = None, default: ProxyConfig | None = None
) -> AsyncIterator[World]:
    clock = FakeClock()
    api = at.api if at else FakeClient(clock=clock, ids=RandomIds(random.Random(1)))
    nft, fake = (at.nft, at.rules) if at else (FakeNft(), rules or FakeRules())
    localnet: list[bool] = []
    makers = {**nftables_only(nft), "iptables": fake.make}
    config = default or ProxyConfig()
    proxy = Proxy(
        ProxyContext(cluster_proxier(NETWORK), makers, nft, localnet.append),
        config,
        node=node(),
        clock=clock,
        log=SILENT,
    )
    informers = InformerSet(api)
    server = ProxyServer(
        [proxy], client=api, clock=clock, log=SILENT, bindings=Bindings(None, None), moved=lambda _: None
    )
    server.follow(informers)
    follow_config(informers, server, default=config, log=SILENT)

    async def work() -> None:
        await informers.wait_synced()
        await proxy.run()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(informers.run()), group.create_task(work())]
        tasks.append(group.create_task(server.recorder.run()))
        yield World(api, nft, fake, clock, proxy, localnet)
        for task in tasks:
            task.cancel()


def scenario(body: Callable[[World], Awaitable[None]]) -> None:
    async def go() -> None:
        async with running() as at:
            await at.api.create(SERVICE, service())
            await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
            await asyncio.sleep(5)
            await body(at)

    run_jumping(go())


def test_the_new_rules_are_complete_before_the_old_ones_go_in_both_directions() -> None:
    async def body(at: World) -> None:
        assert at.served() == {"nftables": True, "iptables": False}
        order: list[str] = []
        delete, say = at.nft.delete, at.rules.say

        def watched_delete(table: str, family: str = "ip") -> bool:
            order.append(f"nftables gone, iptables has {len(at.rules.held)}")
            return delete(table, family)

        def watched_say(text: str) -> None:
            say(text)
            if text == "cleanup":
                order.append(f"iptables gone, nftables has {len(at.nft.tables[TABLE].elements['services'])}")

        at.nft.delete, at.rules.say = watched_delete, watched_say  # type: ignore[method-assign]
        await at.put("mode: iptables")
        assert (at.served(), at.proxy.mode) == ({"nftables": False, "iptables": True}, "iptables")
        await at.put("mode: nftables")
        assert (at.served(), at.proxy.mode) == ({"nftables": True, "iptables": False}, "nftables")
        assert order == ["nftables gone, iptables has 1", "iptables gone, nftables has 1"]
        assert at.proxy.active.switches == 2

    scenario(body)


def test_changes_go_on_in_the_new_mode() -> None:
    async def body(at: World) -> None:
        await at.put("mode: iptables")
        await at.api.create(SERVICE, service("more", "10.96.0.11"))
        await asyncio.sleep(5)
        assert at.rules.held == {"default/web", "default/more"}
        assert at.rules.log[-1] == "apply 2"
        await at.put("mode: nftables")
        await at.api.delete(SERVICE, "web", "default")
        await asyncio.sleep(5)
        assert not at.served()["nftables"]

    scenario(body)


def test_an_unavailable_mode_keeps_the_old_one_is_reported_once_and_tried_again() -> None:
    async def body(at: World) -> None:
        at.rules.absent = "iptables-restore is missing"
        await at.put("mode: iptables")
        await at.one_period()
        await at.one_period()
        assert (at.served()["nftables"], at.proxy.mode) == (True, "nftables")
        told = [message for reason, message in await at.events() if reason == "ProxyModeUnavailable"]
        assert told == [
            "mode iptables is not available on this node, mode nftables stays active: iptables-restore is missing"
        ]
        at.rules.absent = ""
        await at.one_period()
        await at.one_period()
        assert at.served() == {"nftables": False, "iptables": True}

    scenario(body)


def test_a_switch_that_fails_half_way_leaves_the_old_rules_and_removes_the_half() -> None:
    async def body(at: World) -> None:
        at.rules.failures = [KernelError("no room")]
        at.rules.held = {"half"}
        await at.put("mode: iptables")
        assert at.served()["nftables"]
        await at.one_period()
        await at.one_period()
        assert at.served() == {"nftables": False, "iptables": True}
        assert at.rules.log[:2] == ["cleanup", "cleanup"], "at the start, and what was left of the attempt"

    scenario(body)


def test_rules_that_cannot_be_removed_are_removed_at_the_next_look() -> None:
    async def body(at: World) -> None:
        await at.put("mode: iptables")
        at.rules.failures = [KernelError("busy")]
        await at.put("mode: nftables")
        assert at.served() == {"nftables": True, "iptables": True}
        assert at.proxy.active.cleanup_failures == 1
        await at.one_period()
        assert at.served() == {"nftables": True, "iptables": False}

    scenario(body)


def test_what_a_proxy_that_was_killed_in_the_middle_of_a_switch_left_is_removed_by_the_next_one() -> None:
    async def go() -> None:
        async with running() as at:
            await at.api.create(SERVICE, service())
            await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
            await asyncio.sleep(5)
        at.rules.held = {"left"}
        async with running(at) as again:
            await asyncio.sleep(5)
            assert again.served() == {"nftables": True, "iptables": False}
        at.rules.held = {"left"}
        async with running(at, default=ProxyConfig(mode="iptables")) as again:
            await asyncio.sleep(5)
            assert again.served() == {"nftables": False, "iptables": True}

    run_jumping(go())


def test_if_the_first_mode_is_unavailable_another_one_serves() -> None:
    async def go() -> None:
        async with running(rules=FakeRules(absent="gone"), default=ProxyConfig(mode="iptables")) as at:
            await at.api.create(SERVICE, service())
            await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2"))
            await asyncio.sleep(5)
            assert (at.served()["nftables"], at.proxy.mode) == (True, "nftables")
            assert [reason for reason, _ in await at.events()] == ["ProxyModeUnavailable"]

    run_jumping(go())


def test_settings_that_are_wrong_leave_the_old_ones_and_an_event_names_the_field() -> None:
    async def body(at: World) -> None:
        await at.put("mode: iptables")
        await at.put("mode: iptables\niptables: {syncPeriods: 1s}")
        assert at.proxy.mode == "iptables"
        expected = f"{KEY}: iptables.syncPeriods: unknown field, did you mean syncPeriod?; the old settings stay"
        assert ("InvalidConfiguration", expected) in await at.events()
        await at.api.delete(CONFIG_MAP, NAME, NAMESPACE)
        await asyncio.sleep(5)
        assert at.proxy.mode == "nftables", "without settings the defaults are in force"

    scenario(body)


def test_node_ports_on_loopback_come_and_go_with_the_settings() -> None:
    async def body(at: World) -> None:
        assert at.localnet == [False]
        await at.put("nodePortAddresses: [primary, localhost]")
        assert at.localnet == [False, True]
        output = "; ".join(at.nft.tables[TABLE].chains["output"].rules)
        assert "ip daddr { 127.0.0.0/8, 172.30.0.11/32 } fib daddr type local goto node_ports" in output
        await at.put("")
        assert at.localnet == [False, True, False]

    scenario(body)


def test_changes_within_the_smallest_period_are_made_together() -> None:
    async def body(at: World) -> None:
        await at.put("nftables: {minSyncPeriod: 10s}")
        at.clock.advance(60)
        await asyncio.sleep(60)
        before = at.proxy.stats.syncs
        for i in range(8):
            await at.api.create(SERVICE, service(f"s{i}", f"10.96.1.{i}"))
            await asyncio.sleep(1)
        await asyncio.sleep(20)
        assert at.proxy.stats.syncs - before <= 3

    scenario(body)


def asked(mode: Mode | None, start: str, before: str | None = None) -> str:
    async def go() -> str:
        api = FakeClient(clock=FakeClock(), ids=RandomIds(random.Random(1)))
        if before is not None:
            meta = ObjectMeta(name=NAME, namespace=NAMESPACE, annotations={addon.ASKED: "1"})
            await api.create(CONFIG_MAP, ConfigMap(metadata=meta, data={KEY: before, "other": "kept"}))
        await addon.apply(api, mode=mode, start=start, log=SILENT)
        found = await api.get(CONFIG_MAP, NAME, NAMESPACE)
        assert before is None or found.data["other"] == "kept"
        return parse_config(found.data[KEY]).mode

    return asyncio.run(go())


def test_a_start_asks_for_a_mode_once_and_else_the_settings_are_the_users() -> None:
    assert asked(None, "1") == "nftables"
    assert asked("iptables", "1") == "iptables"
    assert asked(None, "2", before="mode: iptables") == "iptables"
    assert asked("iptables", "2", before="mode: nftables") == "iptables"
    assert asked("iptables", "1", before="mode: nftables") == "nftables", "that start has asked already"
