"""A second form of objects that another kind keeps: `events.k8s.io/v1` over core events.

Nothing is kept twice: entries and events are converted when somebody reads their bytes. Writes become the first
form on their way into the store, so both forms have one history, one resourceVersion and one lifetime.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.api.core.event.kind import EVENT
from fairlead.api.events.event.kind import EVENT_VIEW, from_core, to_core
from fairlead.apiserver.watchcache.cache import EncodedForm, Entry, Event, KindCache
from fairlead.machinery.kind import Kind
from fairlead.store.model import Change, Record


@dataclass(frozen=True, slots=True)
class View:
    source: Kind[Any]
    to_source: Callable[[Any], Any]
    from_source: Callable[[Any], Any]


VIEWS: dict[Kind[Any], View] = {EVENT_VIEW: View(EVENT, to_core, from_core)}


class ViewForm(EncodedForm):
    """Takes objects of the view and stores them in the form of the kind that keeps them, and back."""

    __slots__ = ("_source", "_view")

    def __init__(self, kind: Kind[Any], source: EncodedForm, view: View) -> None:
        super().__init__(kind)
        self._source = source
        self._view = view

    def stored(self, obj: Any) -> bytes:
        return self._source.stored(self._view.to_source(obj))

    def splice(self, value: bytes, revision: int) -> bytes:
        return self.shown(self._source.splice(value, revision))

    def shown(self, raw: bytes) -> bytes:
        """The view of an object of the kind that keeps it."""
        obj = self._view.from_source(self._source.decode(raw))
        obj.kind, obj.apiVersion = self.kind.kind, self.kind.api_version
        return self.encode(obj)


class ViewEntry(Entry):
    """An entry of the kind that keeps the object, seen through the view."""

    __slots__ = ("_shown", "_source")

    def __init__(self, form: ViewForm, source: Entry) -> None:
        self.form: ViewForm = form
        self.key = source.key
        self.revision = source.revision
        self._labels = None
        self._fields = None
        self._source = source
        self._shown: bytes | None = None

    @property
    def raw(self) -> bytes:  # type: ignore[override]
        if self._shown is None:
            self._shown = self.form.shown(self._source.raw)
        return self._shown


class ViewCache(KindCache):
    """The cache of the kind that keeps the objects, seen through the view."""

    def __init__(self, kind: Kind[Any], source: KindCache, view: View) -> None:
        super().__init__(kind)
        self._source = source
        self._view_form = ViewForm(kind, source.form, view)
        self.form = self._view_form
        source.listeners[self] = self._on_event

    def __len__(self) -> int:
        return len(self._source)

    @property
    def floor(self) -> int:
        return self._source.floor

    def get(self, key: str) -> Entry | None:
        entry = self._source.get(key)
        return ViewEntry(self._view_form, entry) if entry is not None else None

    def load(self, prefix: str, records: Sequence[Record], revision: int) -> None:
        """Nothing of its own to load."""

    def select(self, namespace: str = "") -> list[Entry]:
        return [ViewEntry(self._view_form, entry) for entry in self._source.select(namespace)]

    def apply(self, key: str, change: Change) -> Event:
        raise TypeError("changes are applied where the objects are kept")

    def since(self, revision: int) -> Iterator[Event]:
        return (self._seen(event) for event in self._source.since(revision))

    def _on_event(self, event: Event) -> None:
        if self.listeners:
            seen = self._seen(event)
            for listener in list(self.listeners.values()):
                listener(seen)

    def _seen(self, event: Event) -> Event:
        previous = ViewEntry(self._view_form, event.previous) if event.previous is not None else None
        return Event(event.type, ViewEntry(self._view_form, event.entry), previous)
