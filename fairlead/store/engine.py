"""The tables of the embedded store and what is done to them, without threads: `sqlite.py` calls it from one.

The revision counter is derived from the data (newest record, newest history entry, compaction mark), so it
cannot run backwards after a crash: whatever is deleted leaves a history entry, and cutting history leaves a mark.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from fairlead.store.history import decide_delete, decide_write
from fairlead.store.model import Change, Compacted, Record

_SCHEMA = """
create table if not exists object(key text primary key, revision integer not null, value blob not null);
create table if not exists history(revision integer primary key, key text not null, value blob);
create table if not exists mark(name text primary key, revision integer not null);
"""
_CHECKPOINT_PAGES = 4000


class Engine:
    """Not thread-safe. Writes belong between `begin` and `commit`; `rollback` undoes the counters too."""

    def __init__(self, path: Path | str, *, history_limit: int) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, cached_statements=200)
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=full")
        self._db.execute(f"pragma wal_autocheckpoint={_CHECKPOINT_PAGES}")
        self._db.executescript(_SCHEMA)
        self._history_limit = history_limit
        self._compacted = self._scalar("select coalesce(max(revision), 0) from mark where name='compacted'")
        self.revision = max(
            self._compacted,
            self._scalar("select coalesce(max(revision), 0) from object"),
            self._scalar("select coalesce(max(revision), 0) from history"),
        )
        self.history_length = self._scalar("select count(*) from history")
        self._before = (self.revision, self.history_length, self._compacted)

    def begin(self) -> None:
        self._before = (self.revision, self.history_length, self._compacted)
        self._db.execute("begin immediate")

    def commit(self) -> None:
        if self.history_length > self._history_limit * 11 // 10:
            row = self._db.execute(
                "select revision from history order by revision desc limit 1 offset ?", (self._history_limit,)
            ).fetchone()
            self.forget(row[0])
        self._db.execute("commit")

    def rollback(self) -> None:
        self.revision, self.history_length, self._compacted = self._before
        if self._db.in_transaction:
            self._db.execute("rollback")

    def close(self) -> None:
        self._db.close()

    def read(self, key: str) -> Record | None:
        row = self._db.execute("select value, revision from object where key=?", (key,)).fetchone()
        return Record(key, row[0], row[1]) if row else None

    def read_all(self, prefix: str) -> tuple[Sequence[Record], int]:
        rows = self._db.execute(
            "select key, value, revision from object where key >= ? and key < ? order by key",
            (prefix, prefix + "\U0010ffff"),
        )
        return [Record(*row) for row in rows], self.revision

    def write(self, key: str, value: bytes, *, expected: int | None, history: bool) -> Change:
        previous = self.read(key)
        if error := decide_write(key, previous.revision if previous else 0, expected):
            raise error
        self.revision += 1
        self._db.execute(
            "insert into object values(?1, ?2, ?3) on conflict(key) do update set revision=?2, value=?3",
            (key, self.revision, value),
        )
        if history:
            self._remember(key, value)
        return Change(key, self.revision, value, previous)

    def delete(self, key: str, *, expected: int | None) -> Change:
        previous = self.read(key)
        if error := decide_delete(key, previous.revision if previous else 0, expected):
            raise error
        self.revision += 1
        self._db.execute("delete from object where key=?", (key,))
        self._remember(key, None)
        return Change(key, self.revision, None, previous)

    def since(self, revision: int) -> Sequence[Change]:
        if revision < self._compacted:
            raise Compacted(f"{revision} < {self._compacted}")
        rows = self._db.execute(
            "select key, revision, value from history where revision > ? order by revision", (revision,)
        )
        return [Change(key, at, value, None) for key, at, value in rows]

    def forget(self, revision: int) -> None:
        revision = min(revision, self.revision)
        if revision <= self._compacted:
            return
        self.history_length -= self._db.execute("delete from history where revision <= ?", (revision,)).rowcount
        self._db.execute(
            "insert into mark values('compacted', ?1) on conflict(name) do update set revision=?1", (revision,)
        )
        self._compacted = revision

    def _remember(self, key: str, value: bytes | None) -> None:
        self._db.execute("insert into history values(?, ?, ?)", (self.revision, key, value))
        self.history_length += 1

    def _scalar(self, query: str) -> int:
        value: int = self._db.execute(query).fetchone()[0]
        return value
