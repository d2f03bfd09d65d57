"""Servers in a process that makes many, one after the other: each is freed when it has ended, though kinds stay."""

from __future__ import annotations

import asyncio
import gc
from weakref import ref

from fairlead.apiserver.admission.chain import AdmissionChain
from fairlead.apiserver.admission.plugin import AdmissionPlugin, Operation
from fairlead.apiserver.server import ApiServer
from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.schemas.schema import Schema

from .customresources import DEFINITIONS, NAME, OBJECTS, crontab, define, gone
from .harness import CONFIG_MAPS, DEPLOYMENTS, PODS, SERVICES, Api, config_map, deployment, pod, service, start, story


def test_a_server_is_freed_when_it_has_ended() -> None:
    servers: list[ref[ApiServer]] = []

    @story
    async def use(api: Api) -> None:
        for path, body in (
            (CONFIG_MAPS, config_map("c")),
            (SERVICES, service("s")),
            (PODS, pod("p")),
            (DEPLOYMENTS, deployment("d")),
        ):
            await api.ok("POST", path, body)
            await api.ok("GET", path)
        servers.append(ref(api.server))

    use()
    gc.collect()
    assert [server() for server in servers] == [None]


@story
async def test_the_schema_of_a_custom_kind_is_freed_when_its_definition_is_deleted(api: Api) -> None:
    counts = []
    for _ in range(3):
        await define(api)
        await api.ok("POST", OBJECTS, crontab("a"), query={"fieldManager": "me"})
        await api.ok("DELETE", f"{DEFINITIONS}/{NAME}")
        await gone(api, f"{DEFINITIONS}/{NAME}")
        gc.collect()
        counts.append(sum(issubclass(type(one), Schema) for one in gc.get_objects()))
    assert counts[1] == counts[2]


class Selective(AdmissionPlugin):
    """A plug-in that handles kinds whose names it has been given."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def handles(self, operation: Operation, kind: Kind[object], subresource: str) -> bool:
        return kind.kind in self.names

    async def validate(self, attributes: object) -> None:
        """Refuses nothing."""


def test_plugins_are_selected_anew_for_a_renewed_kind() -> None:
    async def run() -> None:
        scheme = (await start()).scheme
        kind = scheme.by_resource("", "v1", "configmaps")
        assert kind is not None
        plugin = Selective()
        chain = AdmissionChain([plugin])
        assert chain.select("CREATE", kind) is None
        plugin.names.add("ConfigMap")
        assert chain.select("CREATE", kind) is None
        await scheme.renew(kind, kind)
        assert chain.select("CREATE", kind) is not None

    asyncio.run(run())
