"""The tables of the embedded store and what is done to them, without threads: `sqlite.py` calls it from one.

The revision counter is derived from the data (newest record, newest history entry, compaction mark), so it
cannot run backwards after a crash: whatever is deleted leaves a history entry, and cutting history leaves a mark.

What must stay true: the file is as large as what it holds, give or take a few MiB. Cut history leaves free pages, which
are given back to the file system (`auto_vacuum=incremental`), and the write-ahead log is emptied when there is time.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from fairlead.store.history import HistoryWindow, decide_delete, decide_write
from fairlead.store.model import Change, Compacted, Record

_SCHEMA = """
create table if not exists object(key text primary key, revision integer not null, value blob not null);
create table if not exists history(revision integer primary key, key text not null, value blob);
create table if not exists mark(name text primary key, revision integer not null);
"""
_CHECKPOINT_PAGES = 4000
_LOG_BYTES = _CHECKPOINT_PAGES * 4096
"""What a checkpoint leaves of the write-ahead log's file, which one large transaction may have made longer."""
_SLACK_PAGES = 256
"""Free pages (1 MiB) that stay in the file, for the next writes; and pages of the log not worth a checkpoint."""
_BUSY_PAGES = 16_384
"""Pages (64 MiB) written or freed after which a store that is never idle is made smaller all the same."""
_INCREMENTAL = 2


class Engine:
    """Not thread-safe. Writes belong between `begin` and `commit`; `rollback` undoes the counters too."""

    def __init__(self, path: Path | str, *, history_limit: int, history_bytes: int) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, cached_statements=200)
        self._db.execute(f"pragma auto_vacuum={_INCREMENTAL}")  # of a new file; an old one changes by `vacuum` only
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=full")
        self._db.execute(f"pragma wal_autocheckpoint={_CHECKPOINT_PAGES}")
        self._db.execute(f"pragma journal_size_limit={_LOG_BYTES}")
        self._db.executescript(_SCHEMA)
        self._limits = history_limit, history_bytes
        self._compacted = self._scalar("select coalesce(max(revision), 0) from mark where name='compacted'")
        self.revision = max(
            self._compacted,
            self._scalar("select coalesce(max(revision), 0) from object"),
            self._scalar("select coalesce(max(revision), 0) from history"),
        )
        self.window = self._counted()
        self._before = (self.revision, self._compacted)
        self._touched_pages = 0
        self._shrink()

    def _counted(self) -> HistoryWindow:
        rows = self._db.execute(
            "select revision, length(cast(key as blob)) + coalesce(length(value), 0) from history order by revision"
        )
        return HistoryWindow(*self._limits, rows)

    def _shrink(self) -> None:
        """Cuts what an older release left too long, and lets a file of that release give pages back."""
        self.begin()
        self.commit()
        if self._scalar("pragma auto_vacuum") != _INCREMENTAL:
            # On a full disk the file stays as it is, and the next start tries again.
            with contextlib.suppress(sqlite3.OperationalError):
                self._db.execute("vacuum")
        self.tidy()

    @property
    def untidy(self) -> bool:
        """Whether `tidy` would give back anything worth its writes."""
        return self._touched_pages > _SLACK_PAGES

    def tidy(self) -> None:
        """Gives free pages back and empties the write-ahead log, as far as the disk lets it."""
        self._touched_pages = 0
        with contextlib.suppress(sqlite3.OperationalError):
            free = self._scalar("pragma freelist_count")
            if free > _SLACK_PAGES:
                # One page a step: `execute` would stop after the first, since the statement has no columns.
                self._db.executescript(f"pragma incremental_vacuum({free - _SLACK_PAGES})")
            self._db.execute("pragma wal_checkpoint(truncate)").fetchall()

    def begin(self) -> None:
        self._before = (self.revision, self._compacted)
        self._db.execute("begin immediate")

    def commit(self) -> None:
        self.forget(self.window.excess())
        self._db.execute("commit")
        if self._touched_pages > _BUSY_PAGES:
            self.tidy()

    def rollback(self) -> None:
        self.revision, self._compacted = self._before
        if self._db.in_transaction:
            self._db.execute("rollback")
        with contextlib.suppress(sqlite3.Error):  # of a disk that answers no more: counting a little wrong is harmless
            self.window = self._counted()

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
        self._touched_pages += 2 + len(value) // 2048  # about: the row and, if kept, its copy in the history
        if history:
            self._remember(key, value)
        return Change(key, self.revision, value, previous)

    def delete(self, key: str, *, expected: int | None) -> Change:
        previous = self.read(key)
        if error := decide_delete(key, previous.revision if previous else 0, expected):
            raise error
        self.revision += 1
        self._db.execute("delete from object where key=?", (key,))
        assert previous is not None
        self._touched_pages += 2 + len(previous.value) // 4096
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
        self._db.execute("delete from history where revision <= ?", (revision,))
        size = self.window.bytes
        self.window.cut(revision)
        self._touched_pages += (size - self.window.bytes) // 4096
        self._db.execute(
            "insert into mark values('compacted', ?1) on conflict(name) do update set revision=?1", (revision,)
        )
        self._compacted = revision

    def _remember(self, key: str, value: bytes | None) -> None:
        self._db.execute("insert into history values(?, ?, ?)", (self.revision, key, value))
        self.window.add(self.revision, key, value)

    def _scalar(self, query: str) -> int:
        value: int = self._db.execute(query).fetchone()[0]
        return value
