"""Garbage collection and the deletion of namespaces for kinds that come and go at run time."""

from __future__ import annotations

import asyncio

import pytest

from fairlead.api.core.configmap.kind import CONFIG_MAP, ConfigMap
from fairlead.api.core.namespace.kind import NAMESPACE, Namespace, NamespaceSpec
from fairlead.api.meta.types import Object, ObjectMeta, OwnerReference
from fairlead.apiserver.auth.authorization import Decision
from fairlead.apiserver.extensions import Extensions
from fairlead.apiserver.model import User
from fairlead.apiserver.requestinfo import RequestInfo
from tests.controllers.world import World, in_served_world, in_world
from tests.ships import Ship, ship_kind


def owned_by(owner: Object, kind: str, api_version: str) -> list[OwnerReference]:
    meta = owner.metadata
    return [OwnerReference(apiVersion=api_version, kind=kind, name=meta.name, uid=meta.uid)]


async def names(world: World, namespace: str = "default") -> set[str]:
    return {found.metadata.name for found in (await world.client.list(CONFIG_MAP, namespace)).items}


def port() -> Namespace:
    return Namespace(metadata=ObjectMeta(name="port"), spec=NamespaceSpec(finalizers=["kubernetes"]))


def config_map(name: str, owner: Ship) -> ConfigMap:
    owners = owned_by(owner, "Ship", "harbour.example/v1")
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default", ownerReferences=owners))


def test_what_an_object_of_an_added_kind_owns_goes_with_it_and_it_goes_with_its_owner() -> None:
    async def story(world: World) -> None:
        kind = ship_kind()
        await world.scheme.add(kind)
        fleet = await world.client.create(kind, Ship(metadata=ObjectMeta(name="fleet", namespace="default")))
        owners = owned_by(fleet, "Ship", "harbour.example/v1")
        boat = Ship(metadata=ObjectMeta(name="boat", namespace="default", ownerReferences=owners))
        await world.client.create(CONFIG_MAP, config_map("log", await world.client.create(kind, boat)))
        await asyncio.sleep(2)
        assert "log" in await names(world)
        await world.client.delete(kind, "fleet", "default")
        await asyncio.sleep(2)
        assert (await world.client.list(kind, "default")).items == []
        assert "log" not in await names(world)

    in_world(story)


class LateLists:
    """An authorizer without an opinion that holds back lists of one resource until `end`."""

    def __init__(self, resource: str) -> None:
        self.resource = resource
        self.end = asyncio.Event()

    async def authorize(self, user: User, info: RequestInfo) -> Decision:
        if info.resource == self.resource and info.verb == "list":
            await self.end.wait()
        return Decision("no opinion")


def test_an_owner_that_is_deleted_before_its_kind_is_watched_takes_its_dependents_with_it() -> None:
    kind = ship_kind()
    lists = LateLists(kind.plural)

    async def story(world: World) -> None:
        await world.scheme.add(kind)
        ship = await world.client.create(kind, Ship(metadata=ObjectMeta(name="a", namespace="default")))
        await world.client.create(CONFIG_MAP, config_map("log", ship))
        await asyncio.sleep(1)
        await world.client.delete(kind, "a", "default")
        await asyncio.sleep(1)
        lists.end.set()
        await asyncio.sleep(5)
        assert "log" not in await names(world)

    in_served_world(story, extensions=Extensions(authorizers=(lists,)))


def test_dependents_are_orphaned_though_the_watch_of_their_kind_starts_late() -> None:
    kind = ship_kind()
    lists = LateLists(kind.plural)

    async def story(world: World) -> None:
        await world.scheme.add(kind)
        meta = ObjectMeta(name="owner", namespace="default")
        owner = await world.client.create(CONFIG_MAP, ConfigMap(metadata=meta))
        owners = owned_by(owner, "ConfigMap", "v1")
        ship = Ship(metadata=ObjectMeta(name="a", namespace="default", ownerReferences=owners))
        await world.client.create(kind, ship)
        await world.client.delete(CONFIG_MAP, "owner", "default", propagation="Orphan")
        await asyncio.sleep(1)
        lists.end.set()
        await asyncio.sleep(5)
        assert "owner" not in await names(world)
        assert (await world.client.get(kind, "a", "default")).metadata.ownerReferences == []

    in_served_world(story, extensions=Extensions(authorizers=(lists,)))


def test_a_kind_that_cannot_be_listed_holds_back_the_deletion_of_dependents_for_half_a_minute_only() -> None:
    kind = ship_kind()
    lists = LateLists(kind.plural)

    async def story(world: World) -> None:
        await world.scheme.add(kind)
        ship = await world.client.create(kind, Ship(metadata=ObjectMeta(name="a", namespace="default")))
        await world.client.create(CONFIG_MAP, config_map("log", ship))
        await world.client.delete(kind, "a", "default")
        await asyncio.sleep(20)
        assert "log" in await names(world)
        await asyncio.sleep(20)
        assert "log" not in await names(world)

    in_served_world(story, extensions=Extensions(authorizers=(lists,)))


@pytest.mark.slow
def test_a_removed_kind_takes_nothing_with_it() -> None:
    async def story(world: World) -> None:
        kind = ship_kind()
        await world.scheme.add(kind)
        ship = await world.client.create(kind, Ship(metadata=ObjectMeta(name="a", namespace="default")))
        await world.client.create(CONFIG_MAP, config_map("before", ship))
        await asyncio.sleep(2)
        await world.scheme.remove(kind)
        await world.client.create(CONFIG_MAP, config_map("after", ship))
        await asyncio.sleep(60)
        assert await names(world) >= {"before", "after"}
        again = ship_kind()
        await world.scheme.add(again)
        await asyncio.sleep(5)
        assert await names(world) >= {"before", "after"}
        await world.client.delete(again, "a", "default")
        await asyncio.sleep(5)
        assert not await names(world) & {"before", "after"}

    in_world(story)


def test_a_namespace_is_emptied_of_an_added_kind_before_it_goes() -> None:
    async def story(world: World) -> None:
        kind = ship_kind()
        await world.scheme.add(kind)
        await world.client.create(NAMESPACE, port())
        held = ObjectMeta(name="a", namespace="port", finalizers=["harbour.example/pilot"])
        await world.client.create(kind, Ship(metadata=held))
        await world.client.create(kind, Ship(metadata=ObjectMeta(name="b", namespace="port")))
        await asyncio.sleep(1)
        await world.client.delete(NAMESPACE, "port")
        await asyncio.sleep(10)
        assert [s.metadata.name for s in (await world.client.list(kind, "port")).items] == ["a"]
        namespace = await world.client.get(NAMESPACE, "port")
        texts = {c.type: c.message for c in namespace.status.conditions}
        assert "ships.harbour.example has 1 resource instances" in texts["NamespaceContentRemaining"]
        await world.client.patch(kind, "a", "port", patch={"metadata": {"finalizers": None}})
        await asyncio.sleep(10)
        assert "port" not in {n.metadata.name for n in (await world.client.list(NAMESPACE)).items}

    in_world(story)


def test_a_namespace_goes_without_waiting_for_a_removed_kind() -> None:
    async def story(world: World) -> None:
        kind = ship_kind()
        await world.scheme.add(kind)
        await world.client.create(NAMESPACE, port())
        held = ObjectMeta(name="a", namespace="port", finalizers=["harbour.example/pilot"])
        await world.client.create(kind, Ship(metadata=held))
        await asyncio.sleep(1)
        await world.client.delete(NAMESPACE, "port")
        await asyncio.sleep(5)
        await world.scheme.remove(kind)
        await asyncio.sleep(30)
        assert "port" not in {n.metadata.name for n in (await world.client.list(NAMESPACE)).items}

    in_world(story)
