from __future__ import annotations

import asyncio
import random

from fairlead.api.core.configmap.kind import CONFIG_MAP, ConfigMap
from fairlead.api.meta.types import ObjectMeta
from fairlead.base.clock import FakeClock
from fairlead.base.ids import RandomIds
from fairlead.base.keys import split_key
from fairlead.base.log import Log
from fairlead.base.tasks import Nursery
from fairlead.runtime.fake import FakeClient, run_jumping
from fairlead.runtime.informer import Informer, InformerSet


def fake() -> FakeClient:
    return FakeClient(clock=FakeClock(), ids=RandomIds(random.Random(1)))


def config_map(name: str, **data: str) -> ConfigMap:
    return ConfigMap(metadata=ObjectMeta(name=name, namespace="default"), data=data)


async def settle() -> None:
    """Until every task waits for something."""
    for _ in range(50):
        await asyncio.sleep(0)


def test_handlers_get_existing_and_new_objects() -> None:
    async def story() -> list[tuple[str, bool, bool]]:
        client, seen = fake(), list[tuple[str, bool, bool]]()
        await client.create(CONFIG_MAP, config_map("a"))
        informer = Informer(client, CONFIG_MAP)
        informer.add_handler(lambda key, old, new: seen.append((key, old is not None, new is not None)))
        async with Nursery() as nursery:
            nursery.spawn(informer.run())
            await informer.synced.wait()
            await client.create(CONFIG_MAP, config_map("b"))
            await client.patch(CONFIG_MAP, "b", "default", patch={"data": {"x": "1"}})
            await client.delete(CONFIG_MAP, "a", "default")
            await settle()
            assert sorted(informer.items) == ["default/b"]
        return seen

    assert run_jumping(story()) == [
        ("default/a", False, True),
        ("default/b", False, True),
        ("default/b", True, True),
        ("default/a", True, False),
    ]


def test_hours_without_a_server_end_with_a_true_cache() -> None:
    async def story() -> None:
        client = fake()
        informer = Informer(client, CONFIG_MAP)
        async with Nursery() as nursery:
            nursery.spawn(informer.run())
            await informer.synced.wait()
            await client.create(CONFIG_MAP, config_map("a"))
            await settle()
            client.interrupt(down=True)
            await asyncio.sleep(3 * 3600)
            client.interrupt(down=False)
            await client.create(CONFIG_MAP, config_map("b"))
            await client.delete(CONFIG_MAP, "a", "default")
            await asyncio.sleep(3)
            assert sorted(informer.items) == ["default/b"]

    run_jumping(story())


def test_a_compacted_history_is_answered_by_a_new_list() -> None:
    async def story() -> None:
        client, gone = fake(), list[str]()
        informer = Informer(client, CONFIG_MAP)
        informer.add_handler(lambda key, old, new: gone.append(key) if new is None else None)
        async with Nursery() as nursery:
            nursery.spawn(informer.run())
            await informer.synced.wait()
            await client.create(CONFIG_MAP, config_map("a"))
            await settle()
            client.interrupt(down=True)
            await asyncio.sleep(10)
            client.down = False
            await client.delete(CONFIG_MAP, "a", "default")
            await client.create(CONFIG_MAP, config_map("b"))
            client.compact()
            await asyncio.sleep(5)
            assert sorted(informer.items) == ["default/b"]
            assert gone == ["default/a"]

    run_jumping(story())


def test_own_writes_are_seen_before_the_watch_brings_them_and_only_once() -> None:
    async def story() -> None:
        client, seen = fake(), list[str]()
        informer = Informer(client, CONFIG_MAP)
        informer.add_handler(lambda key, old, new: seen.append("put" if new else "gone"))
        async with Nursery() as nursery:
            nursery.spawn(informer.run())
            await informer.synced.wait()
            made = await client.create(CONFIG_MAP, config_map("a"))
            informer.wrote(made)
            assert informer.get("default/a") is made
            await settle()
            assert seen == ["put"]

    run_jumping(story())


def test_a_write_that_the_watch_has_overtaken_raises_no_ghost() -> None:
    async def story() -> None:
        client = fake()
        informer = Informer(client, CONFIG_MAP)
        async with Nursery() as nursery:
            nursery.spawn(informer.run())
            await informer.synced.wait()
            made = await client.create(CONFIG_MAP, config_map("a"))
            await client.delete(CONFIG_MAP, "a", "default")
            await settle()
            informer.wrote(made)
            assert informer.items == {}

    run_jumping(story())


def test_a_deleted_object_is_seen_as_terminating_at_once_and_gone_in_the_end() -> None:
    async def story() -> None:
        client = fake()
        informer = Informer(client, CONFIG_MAP)
        async with Nursery() as nursery:
            nursery.spawn(informer.run())
            await informer.synced.wait()
            made = await client.create(CONFIG_MAP, config_map("a"))
            await client.delete(CONFIG_MAP, "a", "default")
            informer.wrote(made)
            informer.deleted("default/a", made.metadata.uid, FakeClock().now())
            cached = informer.get("default/a")
            assert cached is not None
            assert cached.metadata.deletionTimestamp
            await settle()
            assert informer.items == {}

    run_jumping(story())


def test_a_set_shares_informers_and_starts_late_comers() -> None:
    async def story() -> None:
        client = fake()
        informers = InformerSet(client)
        assert informers.of(CONFIG_MAP) is informers.of(CONFIG_MAP)
        async with Nursery() as nursery:
            nursery.spawn(informers.run())
            await informers.wait_synced()
            late = informers.of(CONFIG_MAP, fields="metadata.name=a")
            await client.create(CONFIG_MAP, config_map("a"))
            await client.create(CONFIG_MAP, config_map("b"))
            await informers.wait_synced()
            await settle()
            assert sorted(late.items) == ["default/a"]

    run_jumping(story())


def test_keys_split_into_namespace_and_name() -> None:
    assert split_key("default/web") == ("default", "web")
    assert split_key("node1") == ("", "node1")


def test_a_handler_that_trips_over_an_object_is_reported_and_ends_nothing() -> None:
    async def story() -> list[str]:
        client, lines = fake(), list[str]()
        informer = Informer(client, CONFIG_MAP, log=Log("x", clock=FakeClock(), write=lines.append))
        informer.add_handler(lambda key, old, new: 1 // 0)
        async with Nursery() as nursery:
            nursery.spawn(informer.run())
            await informer.synced.wait()
            await client.create(CONFIG_MAP, config_map("a"))
            await client.create(CONFIG_MAP, config_map("b"))
            await settle()
            assert sorted(informer.items) == ["default/a", "default/b"]
        return lines

    assert len(run_jumping(story())) == 2
