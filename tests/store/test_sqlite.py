"""Promises of the SQLite engine alone: every acknowledged write survives, even if the process was killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.store.model import Compacted, Delete, Put, StoreError
from fairlead.store.sqlite import SqliteStore
from tests.store.seen import Seen

MIB = 1 << 20

ROOT = Path(__file__).parents[2]

# Writes from 16 tasks until killed, and prints each acknowledged write as one line, straight to the pipe.
WRITER = """
import asyncio, os, sys
from fairlead.store.model import Delete, Put
from fairlead.store.sqlite import SqliteStore
from tests.store.seen import Seen

async def writer(store, i):
    n = 0
    while True:
        n += 1
        result = await store.txn([], [Put(f"/w{i}/{n}", b"x" * 500, history=n % 2 == 0)])
        os.write(1, f"/w{i}/{n} {result.revision}\\n".encode())
        if n > 3:
            await store.txn([], [Delete(f"/w{i}/{n - 3}")])
            os.write(1, f"-/w{i}/{n - 3} 0\\n".encode())

async def main():
    store = SqliteStore.open(sys.argv[1])
    await asyncio.gather(*(writer(store, i) for i in range(16)))

asyncio.run(main())
"""


def test_everything_is_there_after_closing_and_opening(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore.open(tmp_path / "a.db")
        await put(store, "/a", b"1")
        await put(store, "/b", b"2")
        await remove(store, "/b")
        await store.close()
        store = SqliteStore.open(tmp_path / "a.db")
        assert (await store.list("/")).revision == 3
        assert [r.key for r in (await store.list("/")).records] == ["/a"]
        assert [(c.key, c.value) for c in (await past(store, 0)).changes] == [("/a", b"1"), ("/b", b"2"), ("/b", None)]
        await store.close()

    asyncio.run(main())


def test_the_revision_never_runs_back_even_when_all_is_deleted_and_compacted(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore.open(tmp_path / "a.db")
        await put(store, "/a", b"1", history=False)
        await remove(store, "/a")
        await store.compact(2)
        await store.close()
        store = SqliteStore.open(tmp_path / "a.db")
        assert await put(store, "/a", b"1") == 3
        await store.close()

    asyncio.run(main())


def test_a_file_that_is_no_database_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"not a database at all, but long enough to be read as one" * 50)
    with pytest.raises(StoreError):
        SqliteStore.open(tmp_path / "a.db")


def test_a_closed_store_refuses_work(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore.open(tmp_path / "a.db")
        await store.close()
        with pytest.raises(StoreError):
            await store.get("/a")

    asyncio.run(main())


async def past(store: SqliteStore, revision: int) -> Seen:
    seen = Seen()
    await store.watch("/", revision, seen)
    return seen


async def put(store: SqliteStore, key: str, value: bytes, *, history: bool = True) -> int:
    return (await store.txn([], [Put(key, value, history)])).revision


async def remove(store: SqliteStore, key: str) -> int:
    return (await store.txn([], [Delete(key)])).revision


def sizes(path: Path) -> tuple[int, int]:
    """Returns the size of the file and of its write-ahead log."""
    log = Path(f"{path}-wal")
    return path.stat().st_size, log.stat().st_size if log.exists() else 0


async def write_many(store: SqliteStore, count: int, size: int) -> None:
    for start in range(0, count, 50):
        batch = range(start, min(count, start + 50))
        writes = (put(store, f"/k{i % 3}", os.urandom(size)) for i in batch)
        await asyncio.gather(*writes)


async def idle(path: Path) -> None:
    """Waits until the store has used its idle time."""
    async with asyncio.timeout(60):
        while sizes(path)[1]:  # noqa: ASYNC110 -- a file's size has no event
            await asyncio.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("count", "size"), [(250, MIB), (31_000, 900)])
def test_many_updates_leave_a_small_file_and_an_empty_log(tmp_path: Path, count: int, size: int) -> None:
    path = tmp_path / "a.db"

    async def main() -> None:
        store = SqliteStore.open(path)
        await write_many(store, count, size)
        assert sizes(path)[1] < 24 * MIB
        await idle(path)
        held = 3 * size + store.history.bytes
        assert sizes(path)[0] < held * 1.4 + 2 * MIB
        await store.close()

    asyncio.run(main())


@pytest.mark.slow
def test_deleted_objects_give_their_pages_back_when_the_store_is_idle(tmp_path: Path) -> None:
    path = tmp_path / "a.db"

    async def main() -> None:
        store = SqliteStore.open(path)
        for i in range(20):
            await put(store, f"/k{i}", os.urandom(MIB), history=False)
        await idle(path)
        assert sizes(path)[0] > 20 * MIB
        for i in range(20):
            await remove(store, f"/k{i}")
        await idle(path)
        assert sizes(path)[0] < 3 * MIB
        await store.close()

    asyncio.run(main())


@pytest.mark.slow
def test_a_file_of_an_older_release_is_made_small_when_it_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    old = sqlite3.connect(path, isolation_level=None)
    old.execute("pragma journal_mode=wal")
    old.executescript("""
        create table object(key text primary key, revision integer not null, value blob not null);
        create table history(revision integer primary key, key text not null, value blob);
        create table mark(name text primary key, revision integer not null);
    """)
    for revision in range(1, 41):
        old.execute("insert into history values(?, '/k', ?)", (revision, os.urandom(MIB)))
    old.execute("insert into object values('/k', 40, ?)", (b"last",))
    old.close()
    assert sizes(path)[0] > 40 * MIB

    async def main() -> None:
        store = SqliteStore.open(path)
        assert sizes(path) < (2 * MIB, 1)
        record = await store.get("/k")
        assert record is not None
        assert (record.value, record.revision, (await store.list("/")).revision) == (b"last", 40, 40)
        assert isinstance((await past(store, 39)).lost, Compacted)
        assert await put(store, "/k", b"new") == 41
        assert [c.revision for c in (await past(store, 40)).changes] == [41]
        await store.close()

    asyncio.run(main())


@pytest.mark.slow
def test_no_acknowledged_write_is_lost_by_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    expected: dict[str, int] = {}
    newest = 0
    for lines in (50, 400, 1500):
        path.unlink(missing_ok=True)
        expected.clear()
        command = [sys.executable, "-c", WRITER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as child:
            assert child.stdout is not None
            heard = [child.stdout.readline() for _ in range(lines)]
            os.kill(child.pid, signal.SIGKILL)
            heard += [line for line in child.stdout.readlines() if line.endswith(b"\n")]
        deleted = set()
        for line in heard:
            key, at_text = line.decode().split()
            if key.startswith("-"):
                deleted.add(key[1:])
            else:
                expected[key] = int(at_text)
        newest = max(expected.values())
        found, revision = asyncio.run(read_all(path))
        assert revision >= newest
        # A deletion may be durable without having been heard of: only the three newest of a writer are certain.
        for key, at in expected.items():
            n = int(key.rsplit("/", 1)[1])
            latest = max(int(k.rsplit("/", 1)[1]) for k in expected if k.startswith(key.rsplit("/", 1)[0] + "/"))
            if key in deleted:
                assert key not in found
            elif n > latest - 2:
                assert found[key] == at


async def read_all(path: Path) -> tuple[dict[str, int], int]:
    store = SqliteStore.open(path)
    page = await store.list("/")
    await store.close()
    return {r.key: r.revision for r in page.records}, page.revision


def test_a_file_of_a_newer_release_is_refused_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    new = sqlite3.connect(path)
    new.execute("pragma user_version=3")
    new.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="written by a newer release"):
        SqliteStore.open(path)
    assert path.read_bytes()[100:] == before[100:]
    assert path not in open_files()


def open_files() -> list[Path]:
    links = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    return [Path(os.readlink(link)) for link in links if os.path.lexists(link)]
