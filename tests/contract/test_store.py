"""The contract of `fairlead.store.model.Store`, run over every engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from fairlead.store.memory import MemoryStore
from fairlead.store.model import Change, Compacted, Conflict, Exists, NotFound, Store
from fairlead.store.sqlite import SqliteStore

Open = Callable[[], Store]
LIMIT = 100
LIMIT_BYTES = 100_000


@pytest.fixture(params=["memory", "sqlite"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    if request.param == "memory":
        return lambda: MemoryStore(history_limit=LIMIT, history_bytes=LIMIT_BYTES)
    return lambda: SqliteStore.open(tmp_path / "store.db", history_limit=LIMIT, history_bytes=LIMIT_BYTES)


def run(open_store: Open, story: Callable[[Store], Awaitable[None]]) -> None:
    async def main() -> None:
        store = open_store()
        try:
            await story(store)
        finally:
            await store.close()

    asyncio.run(main())


def test_a_written_value_is_read_back_with_its_revision(open_store: Open) -> None:
    async def story(store: Store) -> None:
        first = await store.write("/a", b"1", expected_revision=0)
        second = await store.write("/b", b"2", expected_revision=0)
        assert second == first + 1 == store.revision
        record = await store.get("/a")
        assert record is not None
        assert (record.key, record.value, record.revision) == ("/a", b"1", first)
        assert await store.get("/none") is None

    run(open_store, story)


def test_create_of_an_existing_key_is_refused_and_takes_no_revision(open_store: Open) -> None:
    async def story(store: Store) -> None:
        revision = await store.write("/a", b"1", expected_revision=0)
        with pytest.raises(Exists):
            await store.write("/a", b"2", expected_revision=0)
        assert store.revision == revision
        assert await store.write("/a", b"3", expected_revision=None) == revision + 1

    run(open_store, story)


def test_write_over_another_revision_conflicts_and_over_nothing_is_not_found(open_store: Open) -> None:
    async def story(store: Store) -> None:
        old = await store.write("/a", b"1", expected_revision=0)
        new = await store.write("/a", b"2", expected_revision=old)
        with pytest.raises(Conflict):
            await store.write("/a", b"3", expected_revision=old)
        with pytest.raises(NotFound):
            await store.write("/b", b"3", expected_revision=new)
        record = await store.get("/a")
        assert record is not None
        assert record.value == b"2"

    run(open_store, story)


def test_delete_checks_the_revision_and_takes_one_itself(open_store: Open) -> None:
    async def story(store: Store) -> None:
        revision = await store.write("/a", b"1", expected_revision=0)
        with pytest.raises(Conflict):
            await store.delete("/a", expected_revision=revision + 7)
        assert await store.delete("/a", expected_revision=revision) == revision + 1
        with pytest.raises(NotFound):
            await store.delete("/a", expected_revision=None)
        assert await store.write("/a", b"again", expected_revision=0) == revision + 2

    run(open_store, story)


def test_list_gives_the_prefix_in_key_order_and_the_revision(open_store: Open) -> None:
    async def story(store: Store) -> None:
        for key in ("/pods/b/x", "/pods/a/y", "/podsx/a", "/pods/a-b/x", "/aaa"):
            await store.write(key, key.encode(), expected_revision=0)
        records, revision = await store.list("/pods/")
        assert [r.key for r in records] == ["/pods/a-b/x", "/pods/a/y", "/pods/b/x"]
        assert revision == store.revision
        assert [r.key for r in (await store.list("/pods/a/"))[0]] == ["/pods/a/y"]

    run(open_store, story)


def test_of_concurrent_creates_of_one_key_exactly_one_wins(open_store: Open) -> None:
    async def story(store: Store) -> None:
        tries = [store.write("/a", str(i).encode(), expected_revision=0) for i in range(20)]
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
                await store.write("/n", str(int(record.value) + 1).encode(), expected_revision=record.revision)
            except Conflict:
                continue
            return

    async def story(store: Store) -> None:
        await store.write("/n", b"0", expected_revision=0)
        await asyncio.gather(*(increment(store) for _ in range(16)))
        record = await store.get("/n")
        assert record is not None
        assert record.value == b"16"

    run(open_store, story)


def test_subscribers_see_every_change_in_order_before_the_writer_goes_on(open_store: Open) -> None:
    async def story(store: Store) -> None:
        seen: list[Change] = []

        def subscriber(changes: Sequence[Change]) -> None:
            seen.extend(changes)

        async def writer(i: int) -> None:
            revision = await store.write(f"/k{i}", b"1", expected_revision=0)
            assert any(c.revision == revision for c in seen)
            assert store.revision >= revision

        store.subscribe(subscriber)
        await asyncio.gather(*(writer(i) for i in range(50)))
        created = await store.get("/k0")
        await store.write("/k0", b"2", expected_revision=None)
        await store.delete("/k0", expected_revision=None)
        assert [c.revision for c in seen] == list(range(1, 53))
        assert all(c.previous is None and c.value == b"1" for c in seen[:50])
        assert (seen[50].value, seen[50].previous) == (b"2", created)
        assert seen[51].value is None
        assert seen[51].previous is not None
        assert seen[51].previous.value == b"2"

    run(open_store, story)


def test_failed_writes_announce_nothing(open_store: Open) -> None:
    async def story(store: Store) -> None:
        seen: list[Change] = []
        store.subscribe(seen.extend)
        with pytest.raises(NotFound):
            await store.write("/a", b"1", expected_revision=5)
        with pytest.raises(NotFound):
            await store.delete("/a", expected_revision=None)
        assert seen == []

    run(open_store, story)


def test_history_is_replayed_from_any_revision_kept(open_store: Open) -> None:
    async def story(store: Store) -> None:
        await store.write("/a", b"1", expected_revision=0)
        await store.write("/b", b"2", expected_revision=0)
        await store.delete("/a", expected_revision=None)
        changes = await store.changes_since(1)
        assert [(c.key, c.revision, c.value) for c in changes] == [("/b", 2, b"2"), ("/a", 3, None)]
        assert await store.changes_since(3) == []

    run(open_store, story)


def test_compaction_forgets_history_but_no_data(open_store: Open) -> None:
    async def story(store: Store) -> None:
        for i in range(5):
            await store.write(f"/k{i}", b"1", expected_revision=0)
        await store.compact(3)
        with pytest.raises(Compacted):
            await store.changes_since(2)
        assert [c.revision for c in await store.changes_since(3)] == [4, 5]
        assert len((await store.list("/"))[0]) == 5
        await store.compact(1)
        assert [c.revision for c in await store.changes_since(3)] == [4, 5]

    run(open_store, story)


def test_history_is_bounded_without_being_asked(open_store: Open) -> None:
    async def story(store: Store) -> None:
        for i in range(LIMIT * 3):
            await store.write("/hot", str(i).encode(), expected_revision=None)
        with pytest.raises(Compacted):
            await store.changes_since(LIMIT)
        assert len(await store.changes_since(LIMIT * 2 + 1)) == LIMIT - 1
        assert store.history_length <= LIMIT * 11 // 10  # type: ignore[attr-defined]

    run(open_store, story)


def test_history_of_large_objects_is_bounded_by_their_bytes(open_store: Open) -> None:
    async def story(store: Store) -> None:
        for _ in range(LIMIT):
            await store.write("/hot", bytes(10_000), expected_revision=None)
            assert store.history_bytes <= LIMIT_BYTES * 11 // 10  # type: ignore[attr-defined]
        with pytest.raises(Compacted):
            await store.changes_since(LIMIT - 11)
        assert [c.revision for c in await store.changes_since(LIMIT - 8)] == list(range(LIMIT - 7, LIMIT + 1))

    run(open_store, story)


def test_the_newest_change_is_kept_even_if_it_is_larger_than_the_bound(open_store: Open) -> None:
    async def story(store: Store) -> None:
        for _ in range(3):
            await store.write("/hot", bytes(LIMIT_BYTES * 2), expected_revision=None)
        assert [c.revision for c in await store.changes_since(2)] == [3]
        with pytest.raises(Compacted):
            await store.changes_since(1)

    run(open_store, story)


def test_a_refused_write_counts_nothing_towards_the_bounds(open_store: Open) -> None:
    async def story(store: Store) -> None:
        await store.write("/a", b"1", expected_revision=0)
        kept = store.history_bytes  # type: ignore[attr-defined]
        with pytest.raises(Exists):
            await store.write("/a", bytes(LIMIT_BYTES), expected_revision=0)
        assert store.history_bytes == kept  # type: ignore[attr-defined]

    run(open_store, story)


def test_heartbeats_take_revisions_but_grow_no_history(open_store: Open) -> None:
    async def story(store: Store) -> None:
        await store.write("/lease", b"0", expected_revision=0)
        for i in range(10):
            await store.write("/lease", str(i).encode(), expected_revision=None, history=False)
        assert store.revision == 11
        assert store.history_length == 1  # type: ignore[attr-defined]
        record = await store.get("/lease")
        assert record is not None
        assert (record.value, record.revision) == (b"9", 11)

    run(open_store, story)
