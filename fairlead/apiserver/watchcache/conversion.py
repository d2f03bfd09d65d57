"""The cache of a version that is not the storage version (`Kind.conversion`).

Nothing is stored twice: entries and events are converted when their bytes are read. Writes become the storage version
on their way into the store, so all versions have one history, one resourceVersion and one lifetime.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fairlead.apiserver.watchcache.cache import EncodedForm, Entry, Event, KindCache
from fairlead.machinery.kinds.kind import Conversion, Kind
from fairlead.store.model import Change, Record


class ConvertedForm(EncodedForm):
    """Converts objects to the storage version when they are stored, and back when they are read."""

    __slots__ = ("_conversion", "_storage")

    def __init__(self, kind: Kind[Any], storage: EncodedForm, conversion: Conversion[Any]) -> None:
        super().__init__(kind)
        self._storage = storage
        self._conversion = conversion

    def stored(self, obj: Any) -> bytes:
        return self._storage.stored(self._conversion.to_storage(obj))

    def splice(self, value: bytes, revision: int) -> bytes:
        return self.converted(self._storage.splice(value, revision))

    def converted(self, raw: bytes) -> bytes:
        """Returns an object of the storage version in this version."""
        obj = self._conversion.from_storage(self._storage.decode(raw))
        obj.kind, obj.apiVersion = self.kind.kind, self.kind.api_version
        return self.encode(obj)


class ConvertedEntry(Entry):
    """An entry of the storage version, converted when first read."""

    __slots__ = ("_converted", "_source")

    def __init__(self, form: ConvertedForm, source: Entry) -> None:
        self.form: ConvertedForm = form
        self.key = source.key
        self.revision = source.revision
        self._labels = None
        self._fields = None
        self._source = source
        self._converted: bytes | None = None

    @property
    def raw(self) -> bytes:  # type: ignore[override]
        if self._converted is None:
            self._converted = self.form.converted(self._source.raw)
        return self._converted


class ConvertedCache(KindCache):
    """The cache of the storage version, converted to this version."""

    def __init__(self, kind: Kind[Any], source: KindCache, conversion: Conversion[Any]) -> None:
        super().__init__(kind)
        self._source = source
        self._converted_form = ConvertedForm(kind, source.form, conversion)
        self.form = self._converted_form
        source.listeners[self] = self._on_event

    def detach(self) -> None:
        """Stops listening to the cache of the storage version."""
        self._source.listeners.pop(self, None)

    def __len__(self) -> int:
        return len(self._source)

    @property
    def floor(self) -> int:
        return self._source.floor

    def get(self, key: str) -> Entry | None:
        entry = self._source.get(key)
        return ConvertedEntry(self._converted_form, entry) if entry is not None else None

    def load(self, prefix: str, records: Sequence[Record], revision: int) -> None:
        """Does nothing: the cache of the storage version is loaded instead."""

    def select(self, namespace: str = "") -> list[Entry]:
        return [ConvertedEntry(self._converted_form, entry) for entry in self._source.select(namespace)]

    def apply(self, key: str, change: Change) -> Event:
        raise TypeError("changes are applied to the cache of the storage version")

    def since(self, revision: int) -> Iterator[Event]:
        return (self._seen(event) for event in self._source.since(revision))

    def _on_event(self, event: Event) -> None:
        if self.listeners:
            seen = self._seen(event)
            for listener in list(self.listeners.values()):
                listener(seen)

    def _seen(self, event: Event) -> Event:
        previous = ConvertedEntry(self._converted_form, event.previous) if event.previous is not None else None
        return Event(event.type, ConvertedEntry(self._converted_form, event.entry), previous)
