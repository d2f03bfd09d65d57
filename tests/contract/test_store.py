"""The contract of `fairlead.store.model.Store`, run over every engine."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from fairlead.store.memory import MemoryStore
from fairlead.store.model import (
    Compacted,
    Compare,
    Conflict,
    Delete,
    Exists,
    NotFound,
    Put,
    Store,
    StoreError,
)
from fairlead.store.sqlite import SqliteStore
from fairlead.store.writes import create, delete, replace
from tests.store.etcd import EtcdCluster, etcd_cluster, open_etcd
from tests.store.seen import Seen

Open = Callable[[], AbstractAsyncContextManager[Store]]
LIMIT = 100
LIMIT_BYTES = 100_000


@pytest.fixture(scope="module")
def etcd_of_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    with etcd_cluster(tmp_path_factory.mktemp("etcd1"), 1) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def etcd_of_three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    with etcd_cluster(tmp_path_factory.mktemp("etcd3"), 3) as cluster:
        yield cluster


ETCD = [pytest.param(name, marks=pytest.mark.etcd) for name in ("etcd", "etcd-of-three")]


@pytest.fixture(params=["memory", "sqlite", *ETCD])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    if request.param.startswith("etcd"):
        cluster = request.getfixturevalue("etcd_of_three" if "three" in request.param else "etcd_of_one")
        return lambda: open_etcd(cluster, fresh=True)
    if request.param == "memory":
        return lambda: closing(MemoryStore(history_limit=LIMIT, history_bytes=LIMIT_BYTES))
    return lambda: closing(SqliteStore.open(tmp_path / "store.db", history_limit=LIMIT, history_bytes=LIMIT_BYTES))


@pytest.fixture(params=["memory", "sqlite"])
def open_bounded(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Yields an engine that limits its history itself."""
    if request.param == "memory":
        return lambda: closing(MemoryStore(history_limit=LIMIT, history_bytes=LIMIT_BYTES))
    return lambda: closing(SqliteStore.open(tmp_path / "store.db", history_limit=LIMIT, history_bytes=LIMIT_BYTES))


@asynccontextmanager
async def closing(store: Store) -> AsyncIterator[Store]:
    try:
        yield store
    finally:
        await store.close()


def run(open_store: Open, story: Callable[[Store], Awaitable[None]]) -> None:
    async def main() -> None:
        async with open_store() as store:
            await story(store)

    asyncio.run(main())


async def put(store: Store, key: str, value: bytes, *, history: bool = True) -> int:
    """Writes the value over any present one."""
    record = await store.get(key)
    if record is None:
        return await create(store, key, value)
    return await replace(store, key, value, revision=record.revision, history=history)


async def remove(store: Store, key: str) -> int:
    record = await store.get(key)
    assert record is not None
    return await delete(store, key, revision=record.revision)


def test_a_written_value_is_read_back_with_its_revision(open_store: Open) -> None:
    async def story(store: Store) -> None:
        first = await create(store, "/a", b"1")
        second = await create(store, "/b", b"2")
        assert second == first + 1
        record = await store.get("/a")
        assert record is not None
        assert (record.key, record.value, record.revision) == ("/a", b"1", first)
        assert await store.get("/none") is None

    run(open_store, story)


def test_create_of_an_existing_key_is_refused_and_takes_no_revision(open_store: Open) -> None:
    async def story(store: Store) -> None:
        revision = await create(store, "/a", b"1")
        with pytest.raises(Exists):
            await create(store, "/a", b"2")
        assert (await store.list("/")).revision == revision
        assert await put(store, "/a", b"3") == revision + 1

    run(open_store, story)


def test_write_over_another_revision_conflicts_and_over_nothing_is_not_found(open_store: Open) -> None:
    async def story(store: Store) -> None:
        old = await create(store, "/a", b"1")
        new = await replace(store, "/a", b"2", revision=old)
        with pytest.raises(Conflict):
            await replace(store, "/a", b"3", revision=old)
        with pytest.raises(NotFound):
            await replace(store, "/b", b"3", revision=new)
        record = await store.get("/a")
        assert record is not None
        assert record.value == b"2"

    run(open_store, story)


def test_delete_checks_the_revision_and_takes_one_itself(open_store: Open) -> None:
    async def story(store: Store) -> None:
        revision = await create(store, "/a", b"1")
        with pytest.raises(Conflict):
            await delete(store, "/a", revision=revision + 7)
        assert await delete(store, "/a", revision=revision) == revision + 1
        with pytest.raises(NotFound):
            await delete(store, "/a", revision=revision)
        assert await create(store, "/a", b"again") == revision + 2

    run(open_store, story)


def test_a_transaction_writes_all_its_keys_at_one_revision(open_store: Open) -> None:
    async def story(store: Store) -> None:
        seen = Seen()
        base = await create(store, "/old", b"x")
        await store.watch("/", base, seen)
        result = await store.txn(
            [Compare("/old", base), Compare("/new", 0)], [Put("/new", b"1"), Delete("/old"), Put("/also", b"2")]
        )
        assert result.succeeded
        assert result.revision == base + 1
        changes = await seen.reached(base + 1)
        expected = {("/new", b"1"), ("/old", None), ("/also", b"2")}
        assert {(c.key, c.value) for c in changes} == expected
        assert {c.revision for c in changes} == {base + 1}
        assert [r.key for r in (await store.list("/")).records] == ["/also", "/new"]

    run(open_store, story)


def test_a_failed_comparison_changes_nothing_and_shows_what_is_there(open_store: Open) -> None:
    async def story(store: Store) -> None:
        base = await create(store, "/a", b"1")
        result = await store.txn([Compare("/a", base), Compare("/b", base)], [Put("/a", b"2"), Put("/c", b"3")])
        assert not result.succeeded
        assert result.revision == base
        record = await store.get("/a")
        assert list(result.current) == [record, None]
        assert record is not None
        assert record.value == b"1"
        assert await store.get("/c") is None

    run(open_store, story)


def test_deleting_a_missing_key_changes_nothing(open_store: Open) -> None:
    async def story(store: Store) -> None:
        base = await create(store, "/a", b"1")
        result = await store.txn([], [Delete("/none")])
        assert (result.succeeded, result.revision) == (True, base)
        assert await create(store, "/b", b"1") == base + 1

    run(open_store, story)


def test_list_gives_the_prefix_in_key_order_and_the_revision(open_store: Open) -> None:
    async def story(store: Store) -> None:
        last = 0
        for key in ("/pods/b/x", "/pods/a/y", "/podsx/a", "/pods/a-b/x", "/aaa"):
            last = await create(store, key, key.encode())
        page = await store.list("/pods/")
        assert [(r.key, r.value) for r in page.records] == [
            ("/pods/a-b/x", b"/pods/a-b/x"),
            ("/pods/a/y", b"/pods/a/y"),
            ("/pods/b/x", b"/pods/b/x"),
        ]
        assert (page.revision, page.more) == (last, False)
        assert [r.key for r in (await store.list("/pods/a/")).records] == ["/pods/a/y"]

    run(open_store, story)


def test_pages_of_one_revision_equal_its_list_despite_changes(open_store: Open) -> None:
    async def story(store: Store) -> None:
        for i in range(10):
            await create(store, f"/k{i}", b"1")
        first = await store.list("/", limit=4)
        assert ([r.key for r in first.records], first.more) == (["/k0", "/k1", "/k2", "/k3"], True)
        await remove(store, "/k5")
        await put(store, "/k6", b"2")
        await create(store, "/k55", b"new")
        second = await store.list("/", limit=4, revision=first.revision, after="/k3")
        assert [(r.key, r.value) for r in second.records] == [(f"/k{i}", b"1") for i in (4, 5, 6, 7)]
        last = await store.list("/", limit=4, revision=first.revision, after="/k7")
        assert ([r.key for r in last.records], last.more) == (["/k8", "/k9"], False)
        assert last.revision == first.revision
        keys = [r.key for r in (await store.list("/")).records]
        assert keys == ["/k0", "/k1", "/k2", "/k3", "/k4", "/k55", "/k6", "/k7", "/k8", "/k9"]

    run(open_store, story)


def test_a_full_page_says_whether_more_follows(open_store: Open) -> None:
    async def story(store: Store) -> None:
        for i in range(3):
            await create(store, f"/k{i}", b"1")
        assert (await store.list("/", limit=2)).more
        assert not (await store.list("/", limit=3)).more
        assert not (await store.list("/", limit=2, after="/k0")).more

    run(open_store, story)


def test_of_concurrent_creates_of_one_key_exactly_one_wins(open_store: Open) -> None:
    async def story(store: Store) -> None:
        tries = [create(store, "/a", str(i).encode()) for i in range(20)]
        results = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(isinstance(r, int) for r in results) == 1
        assert sum(isinstance(r, Exists) for r in results) == 19

    run(open_store, story)


def test_of_concurrent_increments_none_is_lost(open_store: Open) -> None:
    async def increment(store: Store) -> None:
        while True:
            record = await store.get("/n")
            assert record is not None
            try:
                await replace(store, "/n", str(int(record.value) + 1).encode(), revision=record.revision)
            except Conflict:
                continue
            return

    async def story(store: Store) -> None:
        await create(store, "/n", b"0")
        await asyncio.gather(*(increment(store) for _ in range(16)))
        record = await store.get("/n")
        assert record is not None
        assert record.value == b"16"

    run(open_store, story)


def test_a_watch_delivers_every_change_below_its_prefix_in_order_and_once(open_store: Open) -> None:
    async def story(store: Store) -> None:
        seen, other = Seen(), Seen()
        base = (await store.list("/")).revision
        await store.watch("/k", base, seen)
        await store.watch("/nothing/", base, other)
        await asyncio.gather(*(create(store, f"/k{i}", b"1") for i in range(50)))
        await create(store, "/other", b"1")
        await put(store, "/k0", b"2")
        last = await remove(store, "/k0")
        changes = await seen.reached(last)
        assert [c.revision for c in changes] == [*range(base + 1, base + 51), base + 52, base + 53]
        assert {c.key for c in changes[:50]} == {f"/k{i}" for i in range(50)}
        assert [(c.key, c.value) for c in changes[50:]] == [("/k0", b"2"), ("/k0", None)]
        assert other.changes == []

    run(open_store, story)


def test_failed_writes_are_not_delivered(open_store: Open) -> None:
    async def story(store: Store) -> None:
        seen = Seen()
        base = await create(store, "/b", b"0")
        await store.watch("/", base, seen)
        with pytest.raises(NotFound):
            await replace(store, "/a", b"1", revision=5)
        with pytest.raises(Exists):
            await create(store, "/b", b"1")
        last = await create(store, "/c", b"1")
        assert [c.key for c in await seen.reached(last)] == ["/c"]

    run(open_store, story)


def test_a_watch_starts_at_any_revision_kept(open_store: Open) -> None:
    async def story(store: Store) -> None:
        base = await create(store, "/a", b"1")
        await create(store, "/b", b"2")
        last = await remove(store, "/a")
        seen = Seen()
        await store.watch("/", base, seen)
        changes = await seen.reached(last)
        assert [(c.key, c.revision, c.value) for c in changes] == [("/b", base + 1, b"2"), ("/a", last, None)]
        later = Seen()
        await store.watch("/", last, later)
        after = await create(store, "/c", b"3")
        assert [c.key for c in await later.reached(after)] == ["/c"]

    run(open_store, story)


def test_watches_opened_while_others_write_miss_nothing_and_see_nothing_twice(open_store: Open) -> None:
    async def story(store: Store) -> None:
        base = (await store.list("/")).revision
        watchers: list[Seen] = []

        async def write(i: int) -> None:
            for n in range(10):
                await create(store, f"/{i}/{n}", b"1")

        async def watch() -> None:
            for _ in range(8):
                watchers.append(seen := Seen())
                await store.watch("/", base, seen)

        await asyncio.gather(write(0), watch(), write(1), write(2))
        for seen in watchers:
            assert [c.revision for c in await seen.reached(base + 30)] == list(range(base + 1, base + 31))

    run(open_store, story)


def test_a_cancelled_watch_is_silent(open_store: Open) -> None:
    async def story(store: Store) -> None:
        quiet, seen = Seen(), Seen()
        base = await create(store, "/a", b"1")
        watch = await store.watch("/", base, quiet)
        await store.watch("/", base, seen)
        watch.cancel()
        watch.cancel()
        last = await create(store, "/b", b"1")
        await seen.reached(last)
        assert quiet.changes == []

    run(open_store, story)


def test_compaction_drops_history_but_no_data(open_store: Open) -> None:
    async def story(store: Store) -> None:
        base = (await store.list("/")).revision
        for i in range(5):
            await create(store, f"/k{i}", b"1")
        await put(store, "/k0", b"2")
        await store.compact(base + 6)
        early = Seen()
        await store.watch("/", base + 2, early)
        assert isinstance(await early.ended(), Compacted)
        with pytest.raises(Compacted):
            await store.list("/", revision=base + 5)
        assert len((await store.list("/")).records) == 5
        record = await store.get("/k0")
        assert record is not None
        assert record.value == b"2"
        seen = Seen()
        await store.watch("/", base + 6, seen)
        last = await remove(store, "/k1")
        assert [(c.key, c.value) for c in await seen.reached(last)] == [("/k1", None)]

    run(open_store, story)


def test_a_listing_of_the_past_is_the_state_of_then(open_store: Open) -> None:
    """A seeded walk: every revision that was not compacted can still be listed."""

    async def story(store: Store) -> None:
        rng = random.Random(7)
        base = (await store.list("/")).revision
        state: dict[str, bytes] = {}
        states = {base: dict(state)}
        for i in range(60):
            key = f"/{rng.randrange(6)}"
            if key in state and rng.random() < 0.4:
                revision = await remove(store, key)
                del state[key]
            else:
                revision = await put(store, key, str(i).encode())
                state[key] = str(i).encode()
            states[revision] = dict(state)
        await store.compact(base + 20)
        for revision, then in states.items():
            if revision >= base + 20:
                page = await store.list("/", revision=revision)
                assert {r.key: r.value for r in page.records} == then

    run(open_store, story)


def test_a_closed_store_refuses_work(open_store: Open) -> None:
    async def story(store: Store) -> None:
        await store.close()
        with pytest.raises(StoreError):
            await store.get("/a")

    run(open_store, story)


def test_history_is_bounded_without_being_asked(open_bounded: Open) -> None:
    async def story(store: Store) -> None:
        for i in range(LIMIT * 3):
            await put(store, "/hot", str(i).encode())
        early, late = Seen(), Seen()
        await store.watch("/", LIMIT, early)
        assert isinstance(early.lost, Compacted)
        await store.watch("/", LIMIT * 2 + 1, late)
        assert len(late.changes) == LIMIT - 1
        assert len(store.history) <= LIMIT * 11 // 10  # type: ignore[attr-defined]

    run(open_bounded, story)


def test_history_of_large_objects_is_bounded_by_their_bytes(open_bounded: Open) -> None:
    async def story(store: Store) -> None:
        for _ in range(LIMIT):
            await put(store, "/hot", bytes(10_000))
            assert store.history.bytes <= LIMIT_BYTES * 11 // 10  # type: ignore[attr-defined]
        early, late = Seen(), Seen()
        await store.watch("/", LIMIT - 12, early)
        assert isinstance(early.lost, Compacted)
        await store.watch("/", LIMIT - 8, late)
        assert [c.revision for c in late.changes] == list(range(LIMIT - 7, LIMIT + 1))

    run(open_bounded, story)


def test_the_newest_change_can_be_watched_even_if_it_is_larger_than_the_bound(open_bounded: Open) -> None:
    async def story(store: Store) -> None:
        for _ in range(3):
            await put(store, "/hot", bytes(LIMIT_BYTES * 2))
        early, late = Seen(), Seen()
        await store.watch("/", 2, late)
        assert [c.revision for c in late.changes] == [3]
        await store.watch("/", 1, early)
        assert isinstance(early.lost, Compacted)

    run(open_bounded, story)


def test_heartbeats_take_revisions_but_grow_no_history(open_bounded: Open) -> None:
    async def story(store: Store) -> None:
        await create(store, "/lease", b"0")
        for i in range(10):
            await put(store, "/lease", str(i).encode(), history=False)
        assert len(store.history) == 1  # type: ignore[attr-defined]
        record = await store.get("/lease")
        assert record is not None
        assert (record.value, record.revision) == (b"9", 11)
        assert [r.value for r in (await store.list("/", revision=5)).records] == [b"0"]
        seen = Seen()
        await store.watch("/", 1, seen)
        assert [(c.revision, c.value) for c in seen.changes] == [(11, b"9")]
        await remove(store, "/lease")
        await store.compact(12)
        assert (await store.list("/")).records == []
        assert len(store.history) == 0  # type: ignore[attr-defined]

    run(open_bounded, story)
