"""The verbs that only read: get, list, watch. All of them answer from the cache, without an await in between."""

from __future__ import annotations

import random
from collections.abc import Sequence

from fairlead.apiserver.model import Outcome, json_response
from fairlead.apiserver.serialization.params import ListOptions, parse_revision
from fairlead.apiserver.watchcache.cache import Entry, KindCache
from fairlead.apiserver.watchcache.filter import Filter, parse_filter
from fairlead.apiserver.watchcache.pages import Expired, Position, Snapshots, parse_token, render_token
from fairlead.apiserver.watchcache.renderer import Renderer, list_metadata
from fairlead.apiserver.watchcache.resource import Resources
from fairlead.apiserver.watchcache.target import Target
from fairlead.apiserver.watchcache.watch import WatchStream
from fairlead.apiserver.watchcache.watches import Watches
from fairlead.apiserver.watchcache.writers import EventWriter
from fairlead.base.dataclass import dataclass
from fairlead.machinery.kinds.decode import encode
from fairlead.machinery.values.status import StatusError, bad_request, expired
from fairlead.runtime.client import Response


@dataclass(frozen=True, slots=True)
class _Page:
    entries: Sequence[Entry]
    metadata: bytes


class Reader:
    """Serves get, list and watch."""

    def __init__(self, resources: Resources, watches: Watches, *, rng: random.Random) -> None:
        self._resources = resources
        self._watches = watches
        self._snapshots = Snapshots()
        self._oldest = 0
        self._rng = rng

    def compact(self, revision: int) -> None:
        """Ends lists of states before the revision: their next pages and exact lists of them get 410."""
        self._oldest = revision
        self._snapshots.drop_before(revision)

    def collection(self, target: Target, options: ListOptions, renderer: Renderer) -> Response:
        """Lists a collection. Raises StatusError 400, 410, 504."""
        filter = _filter(target, options)
        self._check_not_future(options)
        page = self._page(target, options, filter)
        return json_response(renderer.many(page.entries, page.metadata))

    def watch(self, target: Target, options: ListOptions, renderer: Renderer) -> Outcome:
        """Watches a collection. Raises StatusError 400."""
        cache = target.resource.cache
        filter = _filter(target, options)
        revision = parse_revision(options.resource_version)
        # Without a version, and for "0", a watch starts with the present objects; with a version, after that version.
        initial = options.send_initial if options.send_initial is not None else revision == 0
        writer = renderer.events()
        stream = WatchStream(cache, filter, writer=writer, bookmarks=options.bookmarks)
        if initial:
            stream.start(_select(cache, filter), ())
            if options.send_initial and options.bookmarks:
                stream.bookmark(self._resources.revision, initial_end=True)
        elif revision and revision < cache.floor:
            return _Ended(too_old(revision, cache.floor), writer)
        else:
            stream.start((), cache.since(revision or self._resources.revision))
        self._watches.add(stream, options.timeout_s or self._rng.uniform(1800.0, 3600.0))
        return stream

    def _page(self, target: Target, options: ListOptions, filter: Filter) -> _Page:
        cache = target.resource.cache
        collection = (cache.kind, target.namespace)
        revision = self._resources.revision
        if options.token:
            if options.resource_version not in ("", "0"):
                raise bad_request("specifying resource version is not allowed when using continue")
            position = parse_token(options.token)
            revision = position.revision or revision
            entries = self._continued(collection, cache, position)
        elif at := _exact(options):
            revision = at
            if at < self._oldest:
                raise _list_too_old(at)
            entries = _past(cache, target.namespace, at)
        else:
            entries = _candidates(cache, filter)
        chosen: Sequence[Entry] = [e for e in entries if filter.matches(e)] if filter.selects else entries
        if not options.limit or len(chosen) <= options.limit:
            return _Page(chosen, list_metadata(revision))
        page = chosen[: options.limit]
        self._snapshots.add(collection, revision, entries)
        remaining = None if filter.selects else len(chosen) - len(page)
        token = render_token(Position(revision, page[-1].key))
        return _Page(page, list_metadata(revision, token, remaining))

    def _continued(self, collection: tuple[object, str], cache: KindCache, position: Position) -> list[Entry]:
        if 0 < position.revision < self._oldest:
            raise Expired(position)
        entries = self._snapshots.find(collection, position.revision)
        if entries is None:
            past = cache.select_at(position.revision or self._resources.revision, collection[1])
            if past is None:
                raise Expired(position)
            entries = past
        return [entry for entry in entries if entry.key > position.after]

    def _check_not_future(self, options: ListOptions) -> None:
        revision = parse_revision(options.resource_version)
        if revision > self._resources.revision:
            raise StatusError(
                504,
                "Timeout",
                f"Timeout: Too large resource version: {revision}, current: {self._resources.revision}",
                {
                    "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
                    "retryAfterSeconds": 1,
                },
            )


class _Ended:
    """A watch that sends one error and ends."""

    def __init__(self, error: StatusError, writer: EventWriter) -> None:
        self._lines = [writer.error(encode(error.body()))]
        self.headers = writer.headers

    async def next(self) -> Sequence[bytes]:
        lines, self._lines = self._lines, []
        return lines

    def close(self) -> None:
        self._lines = []


def too_old(revision: int, floor: int) -> StatusError:
    return expired(f"too old resource version: {revision} ({floor})")


def _exact(options: ListOptions) -> int:
    """Returns the revision of a list that shows exactly that state, else 0. A limit implies it, as upstream."""
    implied = options.limit and not options.match
    return parse_revision(options.resource_version) if options.match == "Exact" or implied else 0


def _past(cache: KindCache, namespace: str, revision: int) -> list[Entry]:
    """Returns the objects at a revision. Raises StatusError 410 if events since then are missing."""
    entries = cache.select_at(revision, namespace)
    if entries is None:
        raise _list_too_old(revision)
    return entries


def _list_too_old(revision: int) -> StatusError:
    return expired(f"The resourceVersion for the provided list is too old: {revision}")


def _filter(target: Target, options: ListOptions) -> Filter:
    kind = target.resource.kind
    try:
        return parse_filter(kind, target.namespace, target.name, options.labels, options.fields)
    except StatusError as e:
        gv = f"{kind.group}/{kind.version}"
        raise bad_request(
            f'Unable to find "{gv}, Resource={kind.plural}" that match label selector "{options.labels}", '
            f'field selector "{options.fields}": {e.message}'
        ) from e


def _candidates(cache: KindCache, filter: Filter) -> list[Entry]:
    """Returns the entries to be filtered: one entry if the filter names it, else those of the namespace."""
    name = filter.fields.exact("metadata.name") if filter.fields is not None else None
    if name is not None and (filter.namespace or not cache.kind.namespaced):
        entry = cache.get(f"{filter.namespace}/{name}" if cache.kind.namespaced else name)
        return [entry] if entry is not None else []
    return cache.select(filter.namespace)


def _select(cache: KindCache, filter: Filter) -> list[Entry]:
    entries = _candidates(cache, filter)
    return [e for e in entries if filter.matches(e)] if filter.selects else entries
