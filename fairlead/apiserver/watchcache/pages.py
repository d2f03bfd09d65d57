"""Lists in pages: every page of one list shows the same moment.

An incomplete list stores a snapshot of its entries (references, not copies), in a bounded number of snapshots; the
token names the snapshot's revision and the last key of the page. If the snapshot is gone and the kind has changed
since, the next page gets 410 with a token that continues without the guarantee, as upstream does.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import msgspec

from fairlead.apiserver.watchcache.cache import Entry
from fairlead.base.base64url import decode_base64url, encode_base64url
from fairlead.base.dataclass import dataclass
from fairlead.machinery.values.status import StatusError, bad_request

MAX_SNAPSHOTS = 32
_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


class _Token(msgspec.Struct, omit_defaults=True):
    v: str = ""
    rv: int = 0
    start: str = ""


_DECODER = msgspec.json.Decoder(_Token)


@dataclass(frozen=True, slots=True)
class Position:
    """The start of a page. `revision` 0 means the present state."""

    revision: int
    after: str


class Snapshots:
    """The snapshots of unfinished lists, least recently used first."""

    def __init__(self, *, limit: int = MAX_SNAPSHOTS) -> None:
        self._limit = limit
        self._snapshots: OrderedDict[tuple[Any, str, int], Sequence[Entry]] = OrderedDict()

    def add(self, collection: tuple[Any, str], revision: int, entries: Sequence[Entry]) -> None:
        """Stores a snapshot and drops the least recently used ones above the limit."""
        key = (*collection, revision)
        self._snapshots[key] = entries
        self._snapshots.move_to_end(key)
        while len(self._snapshots) > self._limit:
            self._snapshots.popitem(last=False)

    def find(self, collection: tuple[Any, str], revision: int) -> Sequence[Entry] | None:
        """Returns a snapshot, or None if it was dropped."""
        key = (*collection, revision)
        if key in self._snapshots:
            self._snapshots.move_to_end(key)
        return self._snapshots.get(key)

    def drop_before(self, revision: int) -> None:
        """Drops the snapshots of older states."""
        for key in [key for key in self._snapshots if key[2] < revision]:
            del self._snapshots[key]


def render_token(position: Position) -> str:
    text = msgspec.json.encode(_Token("meta.k8s.io/v1", position.revision, position.after))
    return encode_base64url(text).decode()


def parse_token(text: str) -> Position:
    """Parses a `continue` parameter. Raises StatusError 400."""
    try:
        token = _DECODER.decode(decode_base64url(text.encode()))
    except (ValueError, msgspec.MsgspecError) as e:
        raise bad_request(f"continue key is not valid: {e}") from e
    if token.v != "meta.k8s.io/v1":
        raise bad_request(f'continue key is not valid: server does not recognize this encoded version "{token.v}"')
    return Position(token.rv, token.start)


class Expired(StatusError):
    """410, with a token that continues from the same key at the present state."""

    def __init__(self, position: Position) -> None:
        super().__init__(410, "Expired", _TOO_OLD)
        self._token = render_token(Position(0, position.after))

    def body(self) -> dict[str, Any]:
        return super().body() | {"metadata": {"continue": self._token}}
