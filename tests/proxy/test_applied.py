"""The revision of slices that the kernel follows, which a node's agent reads before it stops a Pod."""

from __future__ import annotations

import asyncio

from fairlead.api.core.service.kind import SERVICE
from fairlead.api.discovery.endpointslice.kind import ENDPOINT_SLICE
from fairlead.net.nft.model import Missing
from fairlead.proxy.nftables.rules import TABLE
from tests.proxy.objects import endpoint, service, slice_of
from tests.proxy.test_loop import World, scenario, settle


async def _begin(at: World) -> None:
    await at.api.create(SERVICE, service())
    await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.2", "10.244.1.3"))
    await settle()


async def _change(at: World, *ips: str) -> int:
    found = await at.api.get(ENDPOINT_SLICE, "web-1", "default")
    found.endpoints = [endpoint(ip) for ip in ips]
    return int((await at.api.update(ENDPOINT_SLICE, found)).metadata.resourceVersion)


def _endpoints(at: World) -> set[str]:
    return {value.split()[0] for value in at.nft.tables[TABLE].elements["endpoints"].values()}


def test_a_revision_is_reached_when_the_kernel_has_what_it_changed() -> None:
    async def body(at: World) -> None:
        await _begin(at)
        revision = await _change(at, "10.244.1.3")
        assert await at.proxy.applied.reach(revision, 60) >= revision
        assert _endpoints(at) == {"10.244.1.3"}

    scenario(body)


def test_it_is_not_reached_while_the_kernel_refuses() -> None:
    async def body(at: World) -> None:
        await _begin(at)
        # The change is refused, and the following read fails too, so that no part of the change is done.
        at.nft.failures = [Missing("no memory")]
        at.nft.unreadable = Missing("no memory")
        revision = await _change(at, "10.244.1.3")
        assert await at.proxy.applied.reach(revision, 5) < revision
        assert _endpoints(at) == {"10.244.1.2", "10.244.1.3"}
        at.nft.unreadable = None
        assert await at.proxy.applied.reach(revision, 60) >= revision
        assert _endpoints(at) == {"10.244.1.3"}

    scenario(body)


def test_a_change_that_concerns_no_service_is_followed_at_once() -> None:
    async def body(at: World) -> None:
        await _begin(at)
        syncs = at.proxy.stats.syncs
        made = await at.api.create(ENDPOINT_SLICE, slice_of("10.244.1.9", service_name="", name="nobodys"))
        revision = int(made.metadata.resourceVersion)
        assert await at.proxy.applied.reach(revision, 60) >= revision
        assert at.proxy.stats.syncs == syncs

    scenario(body)


def test_nothing_is_reached_before_the_first_rules_are_there() -> None:
    async def body(at: World) -> None:
        at.nft.unreadable = Missing("no memory")
        await asyncio.sleep(1)
        assert await at.proxy.applied.reach(1, 1) == 0
        at.nft.unreadable = None
        await _begin(at)
        assert at.proxy.applied.revision > 0

    scenario(body)
