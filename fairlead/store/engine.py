"""The tables of the embedded store and what is done to them, without threads: `sqlite.py` calls it from one.

Each value is stored once, as a version; `object` names the present version of each key, `superseded` the versions that
are kept for watches and listings of the past. The revision counter is derived from the data (newest version, compaction
mark), so it cannot run backwards after a crash: a deletion leaves a version without a value, and compaction a mark.

What must stay true: the file is as large as what it holds, give or take a few MiB. Cut history leaves free pages, which
are given back to the file system (`auto_vacuum=incremental`), and the write-ahead log is emptied when there is time.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import msgspec

from fairlead.store.history import HistoryWindow, check_kept, effective
from fairlead.store.model import Change, Compare, Delete, Operation, Page, Put, Record, StoreError, TxnResult

_SCHEMA = """
create table version(id integer primary key, key text not null, value blob);
create table object(key text primary key, version integer not null, transient integer not null) without rowid;
create table superseded(at integer primary key, version integer not null, size integer not null);
create table mark(name text primary key, revision integer not null) without rowid;
"""
_SCHEMA_VERSION = 2
"""`pragma user_version`; 0 is the first layout, with values in `object` and again in `history`."""
_OPERATIONS = 1 << 16
"""A version's id is its revision times this, plus the number of the operation within its transaction."""
_CHECKPOINT_PAGES = 4000
_LOG_BYTES = _CHECKPOINT_PAGES * 4096
"""Size of the write-ahead log's file after a checkpoint; one large transaction may have made it longer."""
_SLACK_PAGES = 256
"""Free pages (1 MiB) that stay in the file, for the next writes; and pages of the log not worth a checkpoint."""
_BUSY_PAGES = 16_384
"""Pages (64 MiB) written or freed after which a store that is never idle is made smaller all the same."""
_INCREMENTAL = 2

_LIST_NOW = """
select o.key, v.value, v.id from object o join version v on v.id = o.version
where o.key >= :start and o.key < :end order by o.key limit :limit
"""
_LIST_PAST = """
select key, value, id from version
where id in (
    select version from object where key >= :start and key < :end and version < :bound
    union all select version from superseded where at >= :bound and version < :bound
) and key >= :start and key < :end and value is not null order by key limit :limit
"""


_Present = tuple[int, int, int]
"""The id of a key's present version, whether it is transient, and the length of its value."""


class Committed(msgspec.Struct, frozen=True):
    """The result of a transaction, and the changes for watches."""

    result: TxnResult
    changes: Sequence[Change]


def migrate(db: sqlite3.Connection) -> None:
    """Makes the tables, or turns those of an older release into the present ones. Raises StoreError."""
    version = db.execute("pragma user_version").fetchone()[0]
    if version > _SCHEMA_VERSION:
        raise StoreError(f"written by a newer release (layout {version}; this release knows {_SCHEMA_VERSION})")
    if version == _SCHEMA_VERSION:
        return
    old = db.execute("select 1 from sqlite_master where name='history'").fetchone()
    db.execute("begin immediate")
    if old:
        for table in ("object", "history", "mark"):
            db.execute(f"alter table {table} rename to old_{table}")
    for statement in filter(str.strip, _SCHEMA.split(";")):
        db.execute(statement)
    if old:
        _copy_old(db)
    db.execute(f"pragma user_version={_SCHEMA_VERSION}")
    db.execute("commit")


def _copy_old(db: sqlite3.Connection) -> None:
    """Migrates the objects. The history is dropped: watches from before must list again."""
    db.execute(f"insert into version select revision * {_OPERATIONS}, key, value from old_object")
    db.execute(f"insert into object select key, revision * {_OPERATIONS}, 0 from old_object")
    newest = (
        "select revision from old_object union select revision from old_history union select revision from old_mark"
    )
    db.execute(f"insert into mark select 'compacted', coalesce(max(revision), 0) from ({newest})")
    for table in ("object", "history", "mark"):
        db.execute(f"drop table old_{table}")


class Engine:
    """Not thread-safe. Writes belong between `begin` and `commit`; `rollback` undoes the counters too."""

    def __init__(self, path: Path | str, *, history_limit: int, history_bytes: int) -> None:
        """Raises StoreError for a file that a newer release wrote, sqlite3.Error for one that is damaged."""
        self.path = path
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, cached_statements=200)
        self._limits = history_limit, history_bytes
        self._touched_pages = 0
        try:
            self._load()
        except BaseException:
            self._db.close()
            raise

    def _load(self) -> None:
        if self._scalar("pragma auto_vacuum") != _INCREMENTAL:  # else it is a write, and fails on a full disk
            self._db.execute(f"pragma auto_vacuum={_INCREMENTAL}")  # of a new file; an old one changes by `vacuum` only
        self._db.execute("pragma journal_mode=wal")
        self._db.execute("pragma synchronous=full")
        self._db.execute(f"pragma wal_autocheckpoint={_CHECKPOINT_PAGES}")
        self._db.execute(f"pragma journal_size_limit={_LOG_BYTES}")
        migrate(self._db)
        self._compacted = self._scalar("select coalesce(max(revision), 0) from mark where name='compacted'")
        newest = self._scalar("select coalesce(max(id), 0) from version")
        self.revision = max(self._compacted, newest // _OPERATIONS)
        self.window = self._counted()
        self._before = (self.revision, self._compacted)
        self._shrink()

    def _counted(self) -> HistoryWindow:
        rows = self._db.execute("select at / ?, size from superseded order by at", (_OPERATIONS,))
        return HistoryWindow(*self._limits, rows)

    def _shrink(self) -> None:
        """Cuts what an older release left too long, and lets a file of that release give pages back."""
        # On a full disk the file stays as it is, and can be read; the next start tries again.
        try:
            self.begin()
            self.commit()
        except sqlite3.OperationalError:
            self.rollback()
        if self._scalar("pragma auto_vacuum") != _INCREMENTAL:
            with contextlib.suppress(sqlite3.OperationalError):
                self._db.execute("vacuum")
        self.tidy()

    @property
    def untidy(self) -> bool:
        """Returns True if `tidy` would free enough to be worth its writes."""
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
        self.compact(self.window.excess())
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
        row = self._db.execute(
            "select v.value, v.id from object o join version v on v.id = o.version where o.key=?", (key,)
        ).fetchone()
        return Record(key, row[0], row[1] // _OPERATIONS) if row else None

    def list(self, prefix: str, *, revision: int, limit: int, after: str) -> Page:
        """Raises Compacted."""
        at = revision or self.revision
        check_kept(at, self._compacted)
        query = _LIST_PAST if at < self.revision else _LIST_NOW
        arguments = {
            "start": max(prefix, after + "\0") if after else prefix,
            "end": prefix + "\U0010ffff",
            "bound": (at + 1) * _OPERATIONS,
            "limit": limit + 1 if limit else -1,
        }
        rows = self._db.execute(query, arguments).fetchall()
        more = len(rows) > limit > 0
        records = [Record(key, value, id_ // _OPERATIONS) for key, value, id_ in rows[: limit or None]]
        return Page(records, at, more)

    def txn(self, compare: Sequence[Compare], operations: Sequence[Operation]) -> Committed:
        """Applies the operations if every comparison holds. The changes are empty if nothing was changed."""
        present = {c.key: self._present(c.key) for c in compare}
        for c in compare:
            version = present[c.key]
            if (version[0] // _OPERATIONS if version else 0) != c.revision:
                return Committed(TxnResult(False, self.revision, [self.read(other.key) for other in compare]), ())
        for op in operations:
            if op.key not in present:
                present[op.key] = self._present(op.key)
        changing = effective(operations, present.get)
        if changing:
            self.revision += 1
        id_ = self.revision * _OPERATIONS
        changes = [self._apply(op, id_ + i, present[op.key]) for i, op in enumerate(changing)]
        return Committed(TxnResult(True, self.revision), changes)

    def since(self, revision: int) -> Sequence[Change]:
        """The versions written after the revision. Raises Compacted."""
        check_kept(revision, self._compacted)
        rows = self._db.execute(
            "select key, id, value from version where id >= ? order by id", ((revision + 1) * _OPERATIONS,)
        )
        return [Change(key, id_ // _OPERATIONS, value) for key, id_, value in rows]

    def compact(self, revision: int) -> None:
        revision = min(revision, self.revision)
        if revision <= self._compacted:
            return
        bound = ((revision + 1) * _OPERATIONS,)
        self._db.execute("delete from version where id in (select version from superseded where at < ?)", bound)
        # A deletion is itself of no use any more once the version that it superseded is gone.
        self._db.execute(
            "delete from version where id in (select at from superseded where at < ?) and value is null", bound
        )
        self._db.execute("delete from superseded where at < ?", bound)
        size = self.window.bytes
        self.window.cut(revision)
        self._touched_pages += (size - self.window.bytes) // 4096
        self._db.execute(
            "insert into mark values('compacted', ?1) on conflict(name) do update set revision=?1", (revision,)
        )
        self._compacted = revision

    def _present(self, key: str) -> _Present | None:
        """Returns the present version of a key; one look-up serves the comparison and the write."""
        found: _Present | None = self._db.execute(
            "select o.version, o.transient, length(v.value) from object o join version v on v.id = o.version"
            " where o.key=?",
            (key,),
        ).fetchone()
        return found

    def _apply(self, op: Operation, id_: int, present: _Present | None) -> Change:
        if present is not None:
            self._supersede(op.key, id_, present, deleting=isinstance(op, Delete))
        value = op.value if isinstance(op, Put) else None
        self._db.execute("insert into version values(?, ?, ?)", (id_, op.key, value))
        if isinstance(op, Put):
            self._db.execute(
                "insert into object values(?1, ?2, ?3) on conflict(key) do update set version=?2, transient=?3",
                (op.key, id_, not op.history),
            )
        else:
            self._db.execute("delete from object where key=?", (op.key,))
        self._touched_pages += 2 + len(value or b"") // 4096  # about
        return Change(op.key, self.revision, value)

    def _supersede(self, key: str, id_: int, present: _Present, *, deleting: bool) -> None:
        """Keeps the present version of a key for later watches, or drops it if it was written with `history=False`."""
        version, transient, length = present
        if transient:
            self._db.execute("delete from version where id=?", (version,))
            self._touched_pages += length // 4096
            # The version before it is superseded by the new one instead: a listing of the time between still shows it.
            moved = self._db.execute("update superseded set at=? where at=?", (id_, version)).rowcount
            if moved or not deleting:
                return
            version, length = id_, 0  # so that compaction finds the deletion
        size = len(key) + length
        self._db.execute("insert into superseded values(?, ?, ?)", (id_, version, size))
        self.window.add(id_ // _OPERATIONS, size)

    def _scalar(self, query: str) -> int:
        value: int = self._db.execute(query).fetchone()[0]
        return value
