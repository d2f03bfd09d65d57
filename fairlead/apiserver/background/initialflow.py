"""The flow schemas and priority levels of a new cluster as prepared text.

Every cluster has these 19 objects, and hardly any cluster has others or changes them. To create them from their types,
or to compare them, imports 6 modules and reads 20 schemas: 8 ms of processor time. The text is what the
ordinary creation writes (a test compares them); `$NOW` stands for times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from fairlead.api.meta.types import Object
from fairlead.apiserver.watchcache.cache import Entry

INITIAL = Path(__file__).with_name("initialflow.jsonl")
"""One object on each line."""
_NOW = b"$NOW"
_CHANGED_AT = re.compile(rb'"lastTransitionTime":"[^"]*"')


class PreparedObject(Object, kw_only=True):
    """An object whose spec and status stay text."""

    spec: msgspec.Raw
    status: msgspec.Raw

    def facts(self) -> tuple[object, ...]:
        """Returns what the server maintains."""
        status = _CHANGED_AT.sub(b"", bytes(self.status))
        return self.kind, self.metadata.name, self.metadata.annotations, bytes(self.spec), status


_DECODER = msgspec.json.Decoder(PreparedObject)


def prepared(now: str) -> list[PreparedObject]:
    """Returns the objects, created at the time."""
    text = INITIAL.read_bytes().replace(_NOW, now.encode())
    return [_DECODER.decode(line) for line in text.splitlines()]


def are_initial(entries: Iterable[Entry]) -> bool:
    """Returns whether the objects are exactly the prepared ones."""
    try:
        found = [_DECODER.decode(entry.raw).facts() for entry in entries]
    except msgspec.MsgspecError:
        return False
    wanted = [obj.facts() for obj in prepared("")]
    return len(found) == len(wanted) and all(facts in wanted for facts in found)
