"""A restarted server admits by the webhooks, policies, quotas and bounds that are in the store."""

from __future__ import annotations

import asyncio

from fairlead.store.memory import MemoryStore

from .customresources import GROUP, OBJECTS, crontab, define, settle
from .harness import CONFIG_MAPS, PODS, Api, config_map, pod, start
from .test_admission_registration import BINDINGS, POLICIES, VALIDATING, binding, configuration, policy, webhook
from .test_policies import OF_MAPS
from .test_quotas import QUOTAS

SECRETS = "/api/v1/namespaces/default/secrets"
OF_SECRETS = OF_MAPS | {"resources": ["secrets"]}


async def configure(api: Api) -> None:
    await define(api)
    await api.ok("POST", OBJECTS, crontab("a"))
    await api.ok("POST", PODS, pod("a"))
    limits = {"pods": "1", f"count/crontabs.{GROUP}": "1"}
    await api.ok("POST", QUOTAS, {"metadata": {"name": "q"}, "spec": {"hard": limits}})
    validations = [{"expression": "object.metadata.name != 'x'"}]
    constraints = {"resourceRules": [OF_MAPS]}
    await api.ok("POST", POLICIES, policy("p", matchConstraints=constraints, validations=validations))
    await api.ok("POST", BINDINGS, binding("b"))
    await api.ok("POST", VALIDATING, configuration("w", webhook("a.example.com", rules=[OF_SECRETS])))


async def messages(api: Api) -> list[str]:
    requests = [(PODS, pod("b")), (OBJECTS, crontab("b")), (CONFIG_MAPS, config_map("x")), (SECRETS, config_map("s"))]
    return [(await api.error("POST", path, body)).message for path, body in requests]


def test_what_is_configured_survives_a_restart() -> None:
    async def main() -> None:
        store = MemoryStore()
        first = await start(store)
        await configure(first)
        before = await messages(first)
        await first.server.stop()
        second = await start(store)
        await settle(second)
        assert await messages(second) == before
        await second.server.stop()
        expected = ["exceeded quota", "exceeded quota", "denied request: failed expression", "failed calling webhook"]
        assert [text in message for text, message in zip(expected, before, strict=True)] == [True] * 4, before

    asyncio.run(main())
