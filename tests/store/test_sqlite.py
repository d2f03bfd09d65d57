"""What only the SQLite engine promises: it is all still there afterwards, however the process ended."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.store.model import StoreError
from fairlead.store.sqlite import SqliteStore

ROOT = Path(__file__).parents[2]

# Writes for ever from 16 tasks and says what was acknowledged, one line a write, straight to the pipe.
WRITER = """
import asyncio, os, sys
from fairlead.store.sqlite import SqliteStore

async def writer(store, i):
    n = 0
    while True:
        n += 1
        revision = await store.write(f"/w{i}/{n}", b"x" * 500, expected_revision=0, history=n % 2 == 0)
        os.write(1, f"/w{i}/{n} {revision}\\n".encode())
        if n > 3:
            await store.delete(f"/w{i}/{n - 3}", expected_revision=None)
            os.write(1, f"-/w{i}/{n - 3} 0\\n".encode())

async def main():
    store = SqliteStore.open(sys.argv[1])
    await asyncio.gather(*(writer(store, i) for i in range(16)))

asyncio.run(main())
"""


def test_everything_is_there_after_closing_and_opening(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore.open(tmp_path / "a.db")
        await store.write("/a", b"1", expected_revision=0)
        await store.write("/b", b"2", expected_revision=0)
        await store.delete("/b", expected_revision=None)
        await store.close()
        store = SqliteStore.open(tmp_path / "a.db")
        assert store.revision == 3
        assert [r.key for r in (await store.list("/"))[0]] == ["/a"]
        assert len(await store.changes_since(0)) == 3
        await store.close()

    asyncio.run(main())


def test_the_revision_never_runs_back_even_when_all_is_deleted_and_compacted(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore.open(tmp_path / "a.db")
        await store.write("/a", b"1", expected_revision=0, history=False)
        await store.delete("/a", expected_revision=None)
        await store.compact(2)
        await store.close()
        store = SqliteStore.open(tmp_path / "a.db")
        assert await store.write("/a", b"1", expected_revision=0) == 3
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
    records, revision = await store.list("/")
    await store.close()
    return {r.key: r.revision for r in records}, revision
