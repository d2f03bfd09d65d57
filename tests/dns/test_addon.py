"""The objects of cluster DNS in the API: written once, and not changed again."""

from __future__ import annotations

import asyncio

from fairlead.api.core.service.kind import SERVICE
from fairlead.base.clock import FakeClock
from fairlead.base.log import Log
from fairlead.dns.program import addon
from tests.apiserver.harness import Api, story

ADDRESSES = ("10.96.0.10",)


async def apply(api: Api) -> list[str]:
    """Writes the missing objects; returns the lines of the log."""
    lines: list[str] = []
    log = Log("addons", clock=FakeClock(), write=lines.append)
    await api.call("POST", "/api/v1/namespaces", {"metadata": {"name": addon.NAMESPACE}})
    await addon.apply(api.client, addresses=ADDRESSES, outside="172.30.0.1:53", log=log)
    return lines


@story
async def test_a_restart_finds_everything_there_and_says_nothing(api: Api) -> None:
    assert await apply(api) == []
    before = await api.client.get(SERVICE, addon.SERVICE_NAME, addon.NAMESPACE)
    async with asyncio.timeout(addon._RETRY_S):  # no attempt was repeated
        assert await apply(api) == []
    assert await api.client.get(SERVICE, addon.SERVICE_NAME, addon.NAMESPACE) == before
