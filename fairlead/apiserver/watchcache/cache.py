"""The watch cache of one kind: encoded objects in key order, and the recent events.

What must stay true: it changes only by `load` and by committed changes in revision order, on the event loop's thread,
so that all reads between two awaits see one consistent state. Stored bytes do not contain a resourceVersion; it is
spliced in here, once, as the first member of `metadata`. `EncodedForm` requires that every stored object starts with
the same bytes, which `Object` and `ObjectMeta` guarantee by their order of fields.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from fairlead.machinery.kinds.kind import Kind
from fairlead.machinery.schemas.codec import decoder_of, encode
from fairlead.store.model import Change, Record

EventType = Literal["ADDED", "MODIFIED", "DELETED"]
RING_EVENTS = 4096
RING_BYTES = 8 << 20
"""Recent events of a kind for watches that start in the past: limits on their number and on the bytes of their
objects."""
_FEW = 32


class _Labelled(msgspec.Struct):
    class Meta(msgspec.Struct):
        labels: dict[str, str] = {}

    metadata: Meta


_LABELS = msgspec.json.Decoder(_Labelled)


class _Identified(msgspec.Struct):
    class Meta(msgspec.Struct):
        uid: str = ""

    metadata: Meta


_IDENTITY = msgspec.json.Decoder(_Identified)


def _uid(raw: bytes) -> str:
    return _IDENTITY.decode(raw).metadata.uid


class EncodedForm:
    """Encodes and decodes objects of one kind."""

    __slots__ = ("_head", "_start", "decode", "encode", "kind")

    def __init__(self, kind: Kind[Any]) -> None:
        self.kind = kind
        self.encode: Final[Callable[[Any], bytes]] = encode
        self._start = f'{{"kind":"{kind.kind}","apiVersion":"{kind.api_version}","metadata":{{'.encode()
        self._head = self._start + b'"resourceVersion":"'

    def __getattr__(self, name: str) -> Any:
        """Sets `decode` at its first use: the kinds without objects need not be loaded at the server's start."""
        if name != "decode":
            raise AttributeError(f"unknown attribute: {name}", name=name, obj=self)
        self.decode: Callable[[bytes], Any] = decoder_of(self.kind.codec)
        return self.decode

    def stored(self, obj: Any) -> bytes:
        """Returns the bytes for the store. Takes the object over."""
        obj.kind, obj.apiVersion, obj.metadata.resourceVersion = self.kind.kind, self.kind.api_version, ""
        value = self.encode(obj)
        if not value.startswith(self._start):
            raise ValueError(f"{self.kind.kind} does not encode kind, apiVersion and metadata first")
        return value

    def problem(self, value: object) -> str:
        """Returns why bytes of the store are not an object of the kind, or ""."""
        if not isinstance(value, bytes) or not value.startswith(self._start):
            return f"not a {self.kind.kind} as JSON"
        try:
            self.decode(value)
        except (msgspec.MsgspecError, ValueError) as e:
            return str(e)
        return ""

    def splice(self, value: bytes, revision: int) -> bytes:
        """Returns stored bytes with the resourceVersion inserted."""
        return b'%b%d",%b' % (self._head, revision, value[len(self._start) :])

    def respliced(self, raw: bytes, revision: int) -> bytes:
        """Returns spliced bytes with another resourceVersion."""
        end = raw.index(b'",', len(self._head))
        return b"%b%d%b" % (self._head, revision, raw[end:])


class Entry:
    """One object: its bytes with the resourceVersion, and the values for selectors, computed at their first use."""

    __slots__ = ("_fields", "_labels", "form", "key", "raw", "revision")

    def __init__(self, form: EncodedForm, key: str, raw: bytes, revision: int) -> None:
        self.form = form
        self.key = key
        self.raw = raw
        self.revision = revision
        self._labels: dict[str, str] | None = None
        self._fields: dict[str, str] | None = None

    def decode(self) -> Any:
        """Returns a new object, which the caller may change."""
        return self.form.decode(self.raw)

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    @property
    def namespace(self) -> str:
        return self.key.rpartition("/")[0]

    @property
    def labels(self) -> Mapping[str, str]:
        if self._labels is None:
            self._labels = _LABELS.decode(self.raw).metadata.labels if b'"labels":{' in self.raw else {}
        return self._labels

    def field(self, name: str) -> str:
        """Returns the value of a field selector's field: one of the kind's, or the two of metadata."""
        if name == "metadata.name":
            return self.name
        if name == "metadata.namespace":
            return self.namespace
        if self._fields is None:
            obj = self.decode()
            self._fields = {key: read(obj) for key, read in self.form.kind.fields.items()}
        return self._fields.get(name, "")


class Event:
    """One change and its rendered lines, shared by all watchers.

    For DELETED `entry` is the last state under the revision of the deletion.
    """

    __slots__ = ("_lines", "entry", "previous", "type")

    def __init__(self, type: EventType, entry: Entry, previous: Entry | None) -> None:
        self.type: EventType = type
        self.entry = entry
        self.previous = previous
        self._lines: dict[str, bytes] = {}

    @property
    def revision(self) -> int:
        return self.entry.revision

    def as_deleted(self) -> Entry:
        """Returns the object for a watcher whose selector it just left: the state that matched last, under the new
        revision."""
        previous = self.previous or self.entry
        raw = previous.form.respliced(previous.raw, self.revision)
        return Entry(previous.form, previous.key, raw, self.revision)

    def drop_lines(self) -> None:
        """Drops the rendered lines after all listeners are called; later readers render them again."""
        self._lines.clear()

    def entry_for(self, type: EventType) -> Entry:
        """Returns the object of the event for a watcher to whom the change has this type."""
        return self.as_deleted() if type == "DELETED" and self.type != "DELETED" else self.entry

    def line(self, type: EventType) -> bytes:
        """Returns the event as a line of a watch; a selector may turn the type into another one."""
        found = self._lines.get(type)
        if found is None:
            found = self._lines[type] = event_line(type, self.entry_for(type).raw)
        return found

    def rendered(self, form: str, render: Callable[[], bytes]) -> bytes:
        """Returns the event in another form than a plain line: `render` is called once for each form."""
        found = self._lines.get(form)
        if found is None:
            found = self._lines[form] = render()
        return found


def event_line(type: str, raw: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (type.encode(), raw)


Listener = Callable[[Event], None]


class KindCache:
    """All objects of one kind, and the listeners to their changes."""

    def __init__(self, kind: Kind[Any], *, ring_events: int = RING_EVENTS) -> None:
        self.form = EncodedForm(kind)
        self.kind = kind
        self._entries: dict[str, Entry] = {}
        self._keys: list[str] = []
        self._unsorted: list[str] = []
        """Keys that are not in `_keys` yet; sorted in when the order is needed."""
        self._ring: deque[Event] = deque()
        self._ring_events = ring_events
        self._ring_bytes = 0
        self._floor = 0
        self.events_sent = 0
        """The number of events that watchers were sent, initial objects and bookmarks included."""
        self.derived: set[str] = set()
        """Keys of entries that follow from other objects and are not in the store."""
        self.listeners: dict[object, Listener] = {}
        """Called with every event in order; the key identifies the listener for removal."""

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def floor(self) -> int:
        """The cache has all events after this revision."""
        return self._floor

    @property
    def last_revision(self) -> int:
        """The revision of the last change, or of the listing after it."""
        return self._ring[-1].revision if self._ring else self._floor

    def reached(self, revision: int) -> int:
        """Returns the revision up to which listeners have got all changes, if the store is at the given one."""
        return revision

    def get(self, key: str) -> Entry | None:
        return self._entries.get(key)

    def load(self, prefix: str, records: Sequence[Record], revision: int) -> None:
        """Fills the cache from the store's listing at the revision."""
        for record in records:
            key = record.key[len(prefix) :]
            raw = self.form.splice(record.value, record.revision)
            self._entries[key] = Entry(self.form, key, raw, record.revision)
        self._keys, self._unsorted = sorted(self._entries), []
        self._floor = revision

    def select(self, namespace: str = "") -> list[Entry]:
        """Returns all objects (of one namespace) in key order."""
        entries, keys = self._entries, self._sorted()
        if not namespace:
            return [entries[key] for key in keys]
        start = bisect_left(keys, namespace + "/")
        end = bisect_left(keys, namespace + "0", lo=start)  # "0" is the character after "/"
        return [entries[key] for key in keys[start:end]]

    def select_at(self, revision: int, namespace: str = "") -> list[Entry] | None:
        """Returns the objects as they were at a past revision; None if events since then are missing."""
        if revision < self.floor:
            return None
        later = list(self.since(revision))
        if not later:
            return self.select(namespace)
        entries = {entry.key: entry for entry in self.select(namespace)}
        for event in reversed(later):
            key = event.entry.key
            if namespace and event.entry.namespace != namespace:
                continue
            if event.previous is None:
                entries.pop(key, None)
            else:
                entries[key] = event.previous
        return [entries[key] for key in sorted(entries)]

    def _sorted(self) -> list[str]:
        """Returns all keys in order. An insertion moves half of the other keys, so new keys are sorted in only when
        the order is needed."""
        if len(self._unsorted) < _FEW:
            for key in self._unsorted:
                insort(self._keys, key)
        else:
            self._keys += self._unsorted
            self._keys.sort()  # fast, since most of the list is in order
        self._unsorted = []
        return self._keys

    def apply(self, key: str, change: Change) -> Event:
        """Applies a committed change and calls the listeners."""
        previous = self._entries.get(key)
        event = self._put(key, change, previous) if change.value is not None else self._drop(key, change, previous)
        self._remember(event)
        for listener in list(self.listeners.values()):
            listener(event)
        event.drop_lines()
        return event

    def relist(self, prefix: str, records: Sequence[Record], revision: int) -> None:
        """Applies a listing after lost changes: listeners receive the differences, oldest change first.

        The changes in between are unknown, so watches from before the listing's revision can no longer start.
        """
        listed = {record.key[len(prefix) :]: record for record in records}
        for key, entry in list(self._entries.items()):
            if key in self.derived:
                continue
            record = listed.get(key)
            if record is None or _uid(record.value) != _uid(entry.raw):
                self.apply(key, Change(key, min(record.revision, revision) if record else revision, None))
        for key, record in sorted(listed.items(), key=lambda item: item[1].revision):
            known = self._entries.get(key)
            if known is None or known.revision != record.revision:
                self.apply(key, Change(key, record.revision, record.value))
        self._ring.clear()
        self._ring_bytes = 0
        self._floor = revision

    def _remember(self, event: Event) -> None:
        self._ring.append(event)
        self._ring_bytes += len(event.entry.raw)
        while len(self._ring) > self._ring_events or (self._ring_bytes > RING_BYTES and len(self._ring) > 1):
            oldest = self._ring.popleft()
            self._floor = oldest.revision
            self._ring_bytes -= len(oldest.entry.raw)

    def _put(self, key: str, change: Change, previous: Entry | None) -> Event:
        assert change.value is not None
        raw = self.form.splice(change.value, change.revision)
        entry = Entry(self.form, key, raw, change.revision)
        if previous is None:
            self._unsorted.append(key)
        self._entries[key] = entry
        return Event("MODIFIED" if previous else "ADDED", entry, previous)

    def _drop(self, key: str, change: Change, previous: Entry | None) -> Event:
        if previous is None:
            raise KeyError(key)
        del self._entries[key]
        keys = self._sorted()
        del keys[bisect_left(keys, key)]
        raw = self.form.respliced(previous.raw, change.revision)
        return Event("DELETED", Entry(self.form, key, raw, change.revision), previous)

    def since(self, revision: int) -> Iterator[Event]:
        """Yields the events after the revision, which must not be below `floor`."""
        return (event for event in self._ring if event.revision > revision)
