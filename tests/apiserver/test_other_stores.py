"""The API server over a store in another process, and over a store that loses its history."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import msgspec
import pytest

from fairlead.store.memory import MemoryStore
from fairlead.store.model import Change, Compacted, Put, StoreError, Watch, Watcher
from fairlead.store.writes import delete
from tests.store.etcd import EtcdCluster, etcd_cluster, open_etcd

from .harness import CONFIG_MAPS, MERGE, SERVICES, Tree, brief, config_map, events, service, start


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    with etcd_cluster(tmp_path_factory.mktemp("etcd"), 1) as cluster:
        yield cluster


def names(listing: Tree) -> list[str]:
    return [item["metadata"]["name"] for item in listing["items"]]


@pytest.mark.etcd
def test_every_write_is_seen_by_the_reads_after_it_over_etcd(etcd: EtcdCluster) -> None:
    async def main() -> None:
        async with open_etcd(etcd, fresh=True) as store:
            api = await start(store)
            for i in range(20):
                made = await api.ok("POST", CONFIG_MAPS, config_map(f"c{i}"))
                assert (await api.ok("GET", f"{CONFIG_MAPS}/c{i}")) == made
            await api.ok("PATCH", f"{CONFIG_MAPS}/c0", {"data": {"a": "b"}}, content_type=MERGE)
            assert (await api.ok("GET", f"{CONFIG_MAPS}/c0"))["data"] == {"a": "b"}
            await api.ok("DELETE", f"{CONFIG_MAPS}/c1")
            assert (await api.error("GET", f"{CONFIG_MAPS}/c1")).code == 404
            assert (await api.error("POST", CONFIG_MAPS, config_map("c2"))).reason == "AlreadyExists"
            record = await store.get("/registry/configmaps/default/c0")
            assert record is not None
            assert msgspec.json.decode(record.value)["data"] == {"a": "b"}
            await api.server.stop()

    asyncio.run(main())


@pytest.mark.etcd
def test_concurrent_patches_over_etcd_all_take_effect(etcd: EtcdCluster) -> None:
    async def main() -> None:
        async with open_etcd(etcd, fresh=True) as store:
            api = await start(store)
            await api.ok("POST", CONFIG_MAPS, config_map("c"))
            patches = [{"data": {f"k{i}": "v"}} for i in range(20)]
            await asyncio.gather(*(api.ok("PATCH", f"{CONFIG_MAPS}/c", patch, content_type=MERGE) for patch in patches))
            assert len((await api.ok("GET", f"{CONFIG_MAPS}/c"))["data"]) == 20
            await api.server.stop()

    asyncio.run(main())


@pytest.mark.etcd
def test_two_servers_over_one_etcd_see_each_others_writes(etcd: EtcdCluster) -> None:
    async def main() -> None:
        async with open_etcd(etcd, fresh=True) as one, open_etcd(etcd) as other:
            first, second = await start(one), await start(other)
            stream = await second.watch(CONFIG_MAPS, resourceVersion=str(second.revision))
            await first.ok("POST", CONFIG_MAPS, config_map("a"))
            assert brief(await events(stream, 1)) == [("ADDED", "a")]
            await second.ok("PATCH", f"{CONFIG_MAPS}/a", {"data": {"k": "v"}}, content_type=MERGE)
            await first.server._resources.wait_for_revision(second.revision)
            assert (await first.ok("GET", f"{CONFIG_MAPS}/a"))["data"] == {"k": "v"}
            await first.server.stop()
            await second.server.stop()

    asyncio.run(main())


class ForgetfulStore(MemoryStore):
    """A store whose watch can be cut: later changes are lost until the server watches again."""

    def __init__(self) -> None:
        super().__init__()
        self._watcher: Watcher | None = None
        self._cut = False

    async def watch(self, prefix: str, from_revision: int, watcher: Watcher) -> Watch:
        self._watcher, self._cut = watcher, False
        return await super().watch(prefix, from_revision, Gate(self, watcher))

    def cut(self) -> None:
        self._cut = True

    def lose(self) -> None:
        assert self._watcher is not None
        self._watcher.on_lost(Compacted("cut"))


class Gate:
    def __init__(self, store: ForgetfulStore, watcher: Watcher) -> None:
        self._store = store
        self._watcher = watcher

    def on_changes(self, changes: Sequence[Change], revision: int) -> None:
        if not self._store._cut:
            self._watcher.on_changes(changes, revision)

    def on_lost(self, error: StoreError) -> None:
        self._watcher.on_lost(error)


def test_changes_missed_by_the_watch_reach_caches_watchers_and_allocators_by_a_listing() -> None:
    async def main() -> None:
        store = ForgetfulStore()
        api = await start(store)
        await api.ok("POST", CONFIG_MAPS, config_map("changed"))
        await api.ok("POST", CONFIG_MAPS, config_map("gone"))
        await api.ok("POST", CONFIG_MAPS, config_map("kept"))
        await api.ok("POST", SERVICES, service("s", clusterIP="10.96.7.7"))
        before = api.revision
        stream = await api.watch(CONFIG_MAPS, resourceVersion=str(before))
        store.cut()
        other = await start(MemoryStore())
        made = await other.ok("POST", CONFIG_MAPS, config_map("new"))
        raw = msgspec.json.decode((await api.call("GET", f"{CONFIG_MAPS}/changed")).body)
        for name, tree in (("new", made), ("changed", raw | {"data": {"k": "v"}})):
            form = api.server._resources.find("", "v1", "configmaps")
            assert form is not None
            obj = form.form.decode(msgspec.json.encode(tree))
            await store.txn([], [Put(f"/registry/configmaps/default/{name}", form.form.stored(obj))])
        gone = await store.get("/registry/configmaps/default/gone")
        taken = await store.get("/registry/services/specs/default/s")
        assert gone is not None
        assert taken is not None
        await delete(store, gone.key, revision=gone.revision)
        last = await delete(store, taken.key, revision=taken.revision)
        store.lose()
        await asyncio.wait_for(api.server._resources.wait_for_revision(last), 30)
        assert names(await api.ok("GET", CONFIG_MAPS)) == ["changed", "kept", "new"]
        found = await events(stream, 3)
        assert sorted(brief(found)) == [("ADDED", "new"), ("DELETED", "gone"), ("MODIFIED", "changed")]
        await api.ok("POST", SERVICES, service("t", clusterIP="10.96.7.7"))
        (late,) = await events(await api.watch(CONFIG_MAPS, resourceVersion=str(before)), 1)
        assert late["object"]["code"] == 410
        await api.server.stop()
        await other.server.stop()

    asyncio.run(main())
